/** Stock levels: what is there, what may be promised, and how it came to be so. */
import type { Caller } from './caller.ts';
import { streamOf, valuesOf } from './ndjson.ts';
import { itemsOf } from './pages.ts';
import {
  type Adjustment,
  type CallOptions,
  type ChangeOptions,
  type Counts,
  type Format,
  type FoundStock,
  type ImportedLevel,
  type ImportOptions,
  type ImportResult,
  type LedgerEntry,
  type LedgerFilters,
  MEDIA_TYPES,
  type PageOptions,
  type SkuStock,
  type StockLevel,
} from './types.ts';

export class Stock {
  constructor(private readonly caller: Caller) {}

  /** All levels of a SKU, and their totals. */
  get(sku: string, options?: CallOptions): Promise<SkuStock> {
    return this.caller.json({ method: 'GET', path: pathOf(sku) }, options);
  }

  /**
   * Sets what a count found. With `ifMatch`, only if the level has that version still; such a call is sent again only
   * where the server said that it had no effect.
   */
  put(
    sku: string,
    location: string,
    counts: Counts,
    { ifMatch, ...options }: CallOptions & { ifMatch?: number } = {},
  ): Promise<StockLevel> {
    const headers = ifMatch === undefined ? undefined : { 'if-match': `"${ifMatch}"` };
    return this.caller.json(
      { method: 'PUT', path: pathOf(sku, location), json: counts, headers, fragile: ifMatch !== undefined },
      options,
    );
  }

  /** Receives, writes off, returns to stock. */
  adjust(
    sku: string,
    location: string,
    adjustment: Adjustment,
    options?: ChangeOptions,
  ): Promise<StockLevel> {
    const path = `${pathOf(sku, location)}/adjustments`;
    return this.caller.json({ method: 'POST', path, json: adjustment, keyed: true }, options);
  }

  /** Up to 1,000 SKUs at once, in the order asked. */
  async query(skus: readonly string[], options?: CallOptions): Promise<FoundStock[]> {
    const call = { method: 'POST', path: '/v1/stock/query', json: { skus } } as const;
    return (await this.caller.json<{ results: FoundStock[] }>(call, options)).results;
  }

  /** Every change of the SKU's levels, newest first. */
  ledger(
    sku: string,
    { location, ...options }: LedgerFilters & PageOptions = {},
  ): AsyncGenerator<LedgerEntry, void, undefined> {
    return itemsOf(this.caller, `${pathOf(sku)}/ledger`, { location }, options);
  }

  /**
   * Sets any number of levels, as they come. What streams can be sent only once: where it fails, a part of them may have been
   * set. With the error's `idempotencyKey`, the same levels can be sent again, and count once if each of them had got its
   * result. Where `errors` has a `partition-unavailable`, `overloaded` or `outcome-unknown`, a part was not set though all had
   * arrived; sent again, with the same key or another, all are set again.
   */
  import(
    levels: Iterable<ImportedLevel> | AsyncIterable<ImportedLevel>,
    options?: ImportOptions,
  ): Promise<ImportResult> {
    return this.importFrom(streamOf(levels), 'ndjson', options);
  }

  /** As `import`, of a file's bytes. */
  importFrom(
    stream: ReadableStream<Uint8Array>,
    format: Format,
    options?: ImportOptions,
  ): Promise<ImportResult> {
    const headers = { 'content-type': MEDIA_TYPES[format] };
    const call = { method: 'POST', path: '/v1/stock/import', headers, stream, keyed: true } as const;
    return this.caller.json(call, options);
  }

  /** Every level there is. Ends with an error where not all of them came. */
  async *export(options?: CallOptions): AsyncGenerator<StockLevel, void, undefined> {
    yield* valuesOf<StockLevel>(await this.exportAs('ndjson', options));
  }

  /** As `export`, as the bytes of a file that can be imported. */
  exportAs(format: Format, options?: CallOptions): Promise<ReadableStream<Uint8Array>> {
    const accept = MEDIA_TYPES[format];
    return this.caller.stream({ method: 'GET', path: '/v1/stock/export', accept }, options);
  }
}

function pathOf(sku: string, location?: string): string {
  const path = `/v1/stock/${encodeURIComponent(sku)}`;
  return location === undefined ? path : `${path}/${encodeURIComponent(location)}`;
}
