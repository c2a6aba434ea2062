/** What goes in and comes out, as the server itself has it: no type of the API is written down twice. */
import type { Answers } from '../front/answer-schemas.ts';
import type {
  Adjust,
  BatchReservation,
  Confirm,
  FindQuery,
  ImportRow,
  LedgerQuery,
  PutLevel,
  Reserve,
} from '../front/schemas.ts';

export type StockLevel = Answers['StockLevel'];
export type SkuStock = Answers['SkuStock'];
export type FoundStock = Answers['StockQueryResult']['results'][number];
export type LedgerEntry = Answers['LedgerEntry'];
export type ImportResult = Answers['ImportResult'];
export type Reservation = Answers['Reservation'];
export type BatchedResult = Answers['BatchResult']['results'][number];
export type PartitionTable = Answers['PartitionTable'];
export type Readiness = Answers['Readiness'];

export type Counts = PutLevel;
export type Adjustment = Adjust;
export type ImportedLevel = ImportRow;
export type Order = Reserve;
export type BatchedOrder = BatchReservation;
export type Sale = Confirm;
export type Filters = Omit<FindQuery, 'cursor' | 'limit'>;
export type LedgerFilters = Omit<LedgerQuery, 'cursor' | 'limit'>;

/** Of a stream of stock levels. */
export type Format = 'csv' | 'ndjson';
export const MEDIA_TYPES: Record<Format, string> = { csv: 'text/csv', ndjson: 'application/x-ndjson' };

export interface CallOptions {
  /** Ends the call, and the waiting between its tries, with the signal's reason. */
  signal?: AbortSignal;
  /** For all tries together, in milliseconds. */
  deadlineMs?: number;
  /** How often it is sent at most. */
  triesMax?: number;
}

/** Of a call that changes something. */
export interface ChangeOptions extends CallOptions {
  /** Instead of one that the client makes: to go on with a call whose outcome was not known. */
  idempotencyKey?: string;
}

/** Of an import, which is tried once. */
export type ImportOptions = Pick<ChangeOptions, 'signal' | 'idempotencyKey'>;

export interface PageOptions extends CallOptions {
  /** Items that one request asks for; they come one by one whatever it is. */
  pageSize?: number;
}
