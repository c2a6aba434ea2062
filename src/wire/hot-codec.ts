/** The SKUs that many ask for, to bytes and back. */
import type { Reader, Writer } from './bytes.ts';
import { list } from './fields.ts';
import type { HotSku } from './messages.ts';

export function encodeHotSkus(out: Writer, skus: HotSku[]): void {
  out.u8(skus.length);
  for (const { partition, sku, asked, onHand, reserved, available } of skus) {
    out.u16(partition);
    out.text(sku);
    // Sums of levels go beyond 32 bits.
    for (const value of [asked, onHand, reserved, available]) out.f64(value);
  }
}

export function decodeHotSkus(input: Reader): HotSku[] {
  return list(input, input.u8(), decodeHotSku);
}

function decodeHotSku(input: Reader): HotSku {
  return {
    partition: input.u16(),
    sku: input.text(),
    asked: input.f64(),
    onHand: input.f64(),
    reserved: input.f64(),
    available: input.f64(),
  };
}
