/** What a client may ask of a front, as the contract has it, and what it gets. */
export interface Line {
  sku: string;
  quantity: number;
  location?: string;
}

export interface Sourcing {
  strategy: 'most-available' | 'in-order' | 'split';
  locations?: string[];
}

export type Call =
  | {
      kind: 'put';
      sku: string;
      location: string;
      /** With If-Match. */
      ifVersion?: number;
      body: { onHand: number; safetyStock?: number; backorderLimit?: number };
    }
  | {
      kind: 'adjust';
      sku: string;
      location: string;
      body: { delta: number; reason: string; reference: string };
    }
  | { kind: 'levels'; sku: string }
  | {
      kind: 'reserve';
      body: {
        lines: Line[];
        mode?: 'all' | 'partial';
        sourcing?: Sourcing;
        expiresInSeconds: number;
        reference: string;
      };
    }
  | { kind: 'read'; id: string }
  | {
      kind: 'confirm';
      id: string;
      body: { lines?: { sku: string; quantity: number }[]; ifExpired?: 'rehold' };
    }
  | { kind: 'cancel'; id: string }
  | { kind: 'extend'; id: string; body: { expiresInSeconds: number } };

export type Kind = Call['kind'];
type CallOf<K extends Kind> = Extract<Call, { kind: K }>;
export type ReserveCall = CallOf<'reserve'>;

export interface Level {
  sku: string;
  location: string;
  onHand: number;
  reserved: number;
  safetyStock: number;
  backorderLimit: number;
  available: number;
  version: number;
}

export interface Reservation {
  id: string;
  status: 'held' | 'confirmed' | 'cancelled' | 'expired';
  lines: { sku: string; quantity: number; allocations: { location: string; quantity: number }[] }[];
  reference?: string;
  createdAt: string;
  expiresAt: string;
  closedAt?: string;
  notGranted?: { line: number; sku: string; code: string; requested: number; granted: number }[];
}

export interface Problem {
  code: string;
  detail: string;
  errors?: { line: number; sku: string; code: string; requested: number; available: number }[];
}

export interface Answer {
  status: number;
  body: string;
  replayed: boolean;
  /** It has an Age: the database was away, and it is as the worker last knew it to be. */
  aged: boolean;
}

/** Asked with an Idempotency-Key, where it has one. */
export function requestOf(call: Call, key: string | undefined): Request {
  const { method, path } = placeOf(call);
  const body = 'body' in call ? JSON.stringify(call.body) : '';
  const headers: Record<string, string> = { 'content-length': String(Buffer.byteLength(body)) };
  if (body !== '') headers['content-type'] = 'application/json';
  if (key !== undefined) headers['idempotency-key'] = key;
  if (call.kind === 'put' && call.ifVersion !== undefined) headers['if-match'] = `"${call.ifVersion}"`;
  return new Request(`http://holdfast${path}`, { method, headers, body: body === '' ? undefined : body });
}

function placeOf(call: Call): { method: string; path: string } {
  const reservation = 'id' in call ? `/v1/reservations/${call.id}` : '';
  const level = 'location' in call ? `/v1/stock/${call.sku}/${call.location}` : '';
  switch (call.kind) {
    case 'put':
      return { method: 'PUT', path: level };
    case 'adjust':
      return { method: 'POST', path: `${level}/adjustments` };
    case 'levels':
      return { method: 'GET', path: `/v1/stock/${call.sku}` };
    case 'reserve':
      return { method: 'POST', path: '/v1/reservations' };
    case 'read':
      return { method: 'GET', path: reservation };
    default:
      return { method: 'POST', path: `${reservation}/${call.kind}` };
  }
}
