/** The message that holds stock, to bytes and back; see codec.ts. */
import { type HoldLine, MODES, STRATEGIES } from '../reservations/types.ts';
import type { Reader, Writer } from './bytes.ts';
import {
  readId,
  readName,
  readOptionalId,
  readPartition,
  readQuantity,
  readText,
  readTime,
} from './checked.ts';
import {
  decodeKey,
  decodeRefusals,
  decodeSold,
  encodeKey,
  encodeRefusals,
  encodeSold,
  list,
  pick,
} from './fields.ts';
import type { HoldRequest } from './messages.ts';

const ROLES = ['decide', 'try', 'probe'] as const;

export function encodeHold(out: Writer, request: HoldRequest): void {
  out.text(request.id);
  out.u8(ROLES.indexOf(request.role));
  out.u16(request.home);
  out.u8(request.participants.length);
  for (const participant of request.participants) out.u16(participant);
  out.text(request.rehold?.id ?? '');
  if (request.rehold !== undefined) encodeSold(out, request.rehold.sold);
  out.u8(MODES.indexOf(request.mode));
  encodeRefusals(out, request.refused);
  encodeKey(out, request.key);
  out.f64(request.createdAt);
  out.f64(request.expiresAt);
  out.text(request.reference ?? '');
  out.u8(STRATEGIES.indexOf(request.strategy));
  out.u16(request.locations.length);
  for (const location of request.locations) out.text(location);
  out.u16(request.lines.length);
  for (const line of request.lines) {
    out.u8(line.line);
    out.u32(line.quantity);
    out.text(line.sku);
    out.text(line.location ?? '');
  }
}

export function decodeHold(input: Reader, partition: number, deadline: number): HoldRequest {
  return {
    kind: 'hold',
    partition,
    deadline,
    id: readId(input),
    role: pick(ROLES, input.u8()),
    home: readPartition(input),
    participants: list(input, input.u8(), readPartition),
    rehold: decodeRehold(input),
    mode: pick(MODES, input.u8()),
    refused: decodeRefusals(input),
    key: decodeKey(input),
    createdAt: readTime(input),
    expiresAt: readTime(input),
    reference: readText(input) || undefined,
    strategy: pick(STRATEGIES, input.u8()),
    locations: list(input, input.u16(), readName),
    lines: list(input, input.u16(), decodeHoldLine),
  };
}

function decodeHoldLine(input: Reader): HoldLine {
  return {
    line: input.u8(),
    quantity: readQuantity(input),
    sku: readName(input),
    location: readText(input) || undefined,
  };
}

function decodeRehold(input: Reader): HoldRequest['rehold'] {
  const id = readOptionalId(input);
  return id === undefined ? undefined : { id, sold: decodeSold(input) };
}
