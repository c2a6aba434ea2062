/** The parts of a commit's statement: which columns each has, where a batch has their values, and what it writes of them. */
import type { BatchRows, LevelColumns } from './batch-rows.ts';

export type Value = number | string | null;

type Columns = readonly (readonly [name: string, type: string])[];

export interface Part {
  /** Of rows, and then those that they have for other tables, in the order in which `values` gives them. */
  columns: Columns;
  otherColumns?: Columns;
  values(rows: BatchRows): Value[][];
  /** What `u` has beside them, the same in each row. */
  given?: string;
  /** What it writes from `u`, whose columns are those above; nothing where it has entries only. */
  write?: string;
  /** What it does with a row that is there already. */
  otherwise?: string;
  /** What else it writes, from some of the columns. */
  also?: { from: readonly string[]; write: string; where: string };
  /** Its entries in the ledger: columns of a page, each from the list of a column of its own. */
  entries?(list: (column: string) => string): Record<string, string>;
}

/** Milliseconds of a column of `u` as a timestamp. */
const time = (column: string): string => `to_timestamp(${column} * 0.001::float8)`;
/** When the batch was decided: the third parameter. */
export const AT = time('$3::float8');
/** Of the ledger. Each level that a batch writes has an entry there. */
export const PAGE = '$4::bigint';

const LEVEL_COLUMNS = [
  ['partition', 'smallint'],
  ['level', 'integer'],
  ['on_hand', 'integer'],
  ['reserved', 'bigint'],
  ['safety_stock', 'integer'],
  ['backorder_limit', 'integer'],
  ['version', 'bigint'],
] as const;
const levelValues = (l: LevelColumns): Value[][] => [
  l.partition,
  l.level,
  l.onHand,
  l.reserved,
  l.safetyStock,
  l.backorderLimit,
  l.version,
];

/** Workers have 32 bits of a version (snapshot.ts), the table all: a partition's last entry is numbered by their sum. */
const VERSION = 's.version + ((u.version - s.version) & 4294967295)';
/** What any change of a level writes. */
const CHANGED = `version = ${VERSION}, last_page = ${PAGE}, updated_at = ${AT}, room = ''`;
/** The update of a level by the row that says what it is now. */
const carried = (...columns: string[]): Part['also'] => ({
  from: ['partition', 'level', ...columns, 'version'],
  write: `update stock_level s
    set ${columns.map((column) => `${column} = u.${column}, `).join('')}${CHANGED}`,
  where: 'u.version >= 0 and s.partition = u.partition and s.level = u.level',
});
/** What nearly all entries have. */
const places = (list: (column: string) => string): Record<string, string> => ({
  partitions: list('partition'),
  seqs: list('seq'),
  levels: list('level'),
  previous: list('previous'),
});

const newLevels: Part = {
  columns: [...LEVEL_COLUMNS, ['sku', 'text'], ['location', 'text']],
  values: ({ newLevels: n }) => [...levelValues(n), n.sku, n.location],
  write: `insert into stock_level (partition, level, sku, location, on_hand, reserved, safety_stock, backorder_limit,
                                   version, last_page, updated_at)
    select u.partition, u.level, u.sku, u.location, u.on_hand, u.reserved, u.safety_stock, u.backorder_limit,
           u.version, ${PAGE}, ${AT}`,
};

/** What an import of new levels consists of. */
const counted: Part = {
  columns: [
    ['partition', 'smallint'],
    ['level', 'integer'],
    ['on_hand', 'integer'],
    ['safety_stock', 'integer'],
    ['backorder_limit', 'integer'],
    ['sku', 'text'],
    ['location', 'text'],
  ],
  otherColumns: [['seq', 'bigint']],
  values: ({ counted: n }) => [
    n.partition,
    n.level,
    n.onHand,
    n.safetyStock,
    n.backorderLimit,
    n.sku,
    n.location,
    n.seq,
  ],
  write: `insert into stock_level (partition, level, sku, location, on_hand, reserved, safety_stock, backorder_limit,
                                   version, last_page, updated_at)
    select u.partition, u.level, u.sku, u.location, u.on_hand, 0, u.safety_stock, u.backorder_limit, 1, ${PAGE}, ${AT}`,
  entries: (list) => ({
    partitions: list('partition'),
    seqs: list('seq'),
    levels: list('level'),
    kinds: `'{counted}'`,
    on_hand_deltas: `${list('on_hand')}::bigint[]`,
  }),
};

const levels: Part = {
  columns: LEVEL_COLUMNS,
  values: (rows) => levelValues(rows.levels),
  write: `update stock_level s
    set on_hand = u.on_hand, reserved = u.reserved, safety_stock = u.safety_stock, backorder_limit = u.backorder_limit,
        ${CHANGED}`,
};

const reservations: Part = {
  columns: [
    ['partition', 'smallint'],
    ['status', 'reservation_status'],
    ['id', 'uuid'],
    ['home', 'smallint'],
    ['created_at', 'bigint'],
    ['expires_at', 'bigint'],
    ['reference', 'text'],
    ['participants', 'text'],
    ['lines', 'text'],
    ['sold', 'text'],
  ],
  values: ({ reservations: r }) => [
    r.partition,
    r.status,
    r.id,
    r.home,
    r.createdAt,
    r.expiresAt,
    r.reference,
    r.participants,
    r.lines,
    r.sold,
  ],
  write: `insert into reservation (partition, status, id, home, created_at, expires_at, closed_at, reference, participants,
                                   lines, sold)
    select u.partition, u.status, u.id, u.home, ${time('u.created_at')}, ${time('u.expires_at')},
           case when u.status in ('held', 'never') then null else ${AT} end,
           u.reference, u.participants::smallint[], u.lines::integer[], u.sold::integer[]`,
};

const holds: Part = {
  columns: [
    ['partition', 'smallint'],
    ['id', 'uuid'],
    ['created_at', 'bigint'],
    ['expires_at', 'bigint'],
    ['reference', 'text'],
    ['level', 'integer'],
    ['quantity', 'integer'],
  ],
  otherColumns: [
    ['reserved', 'bigint'],
    ['version', 'bigint'],
    ['seq', 'bigint'],
    ['previous', 'bigint'],
  ],
  values: ({ holds: h }) => [
    h.partition,
    h.id,
    h.createdAt,
    h.expiresAt,
    h.reference,
    h.level,
    h.quantity,
    h.reserved,
    h.version,
    h.seq,
    h.previous,
  ],
  write: `insert into reservation (partition, status, id, home, created_at, expires_at, reference, participants, lines)
    select u.partition, 'held', u.id, u.partition, ${time('u.created_at')}, ${time('u.expires_at')}, u.reference,
           '{}', array[0, u.level, u.quantity]`,
  // In commits of 90, Postgres takes 16.0 µs for a hold so, 17.4 where its level is a row of the part `levels`; in those of 25, 23.6 and 25.5.
  also: carried('reserved'),
  entries: (list) => ({
    ...places(list),
    kinds: `'{held}'`,
    reserved_deltas: `${list('quantity')}::bigint[]`,
    reservations: list('id'),
  }),
};

/** The status is also the kind of the entry. */
const closings: Part = {
  columns: [
    ['partition', 'smallint'],
    ['id', 'uuid'],
    ['status', 'reservation_status'],
    ['expires_at', 'bigint'],
  ],
  otherColumns: [
    ['seq', 'bigint'],
    ['level', 'integer'],
    ['previous', 'bigint'],
    ['on_hand_delta', 'bigint'],
    ['reserved_delta', 'bigint'],
    ['on_hand', 'integer'],
    ['reserved', 'bigint'],
    ['version', 'bigint'],
  ],
  values: ({ closings: c }) => [
    c.partition,
    c.id,
    c.status,
    c.expiresAt,
    c.seq,
    c.level,
    c.previous,
    c.onHandDelta,
    c.reservedDelta,
    c.onHand,
    c.reserved,
    c.version,
  ],
  // As a column: of a constant, Postgres may think that all rows that have it are soon read, and read them for each commit.
  given: "'held'::reservation_status as was",
  write: `update reservation r
    set status = u.status, expires_at = ${time('u.expires_at')}, closed_at = ${AT}`,
  also: carried('on_hand', 'reserved'),
  entries: (list) => ({
    ...places(list),
    kinds: `${list('status')}::text[]::ledger_kind[]`,
    on_hand_deltas: list('on_hand_delta'),
    reserved_deltas: list('reserved_delta'),
    reservations: list('id'),
  }),
};

const changes: Part = {
  columns: [
    ['partition', 'smallint'],
    ['id', 'uuid'],
    ['was', 'reservation_status'],
    ['status', 'reservation_status'],
    ['expires_at', 'bigint'],
    ['sold', 'text'],
    ['reheld_as', 'uuid'],
  ],
  values: ({ changes: c }) => [c.partition, c.id, c.was, c.status, c.expiresAt, c.sold, c.reheldAs],
  write: `update reservation r
    set status = u.status, expires_at = ${time('u.expires_at')}, sold = u.sold::integer[], reheld_as = u.reheld_as,
        closed_at = case when u.status = 'held' then null else ${AT} end`,
};

const ledger: Part = {
  columns: [],
  otherColumns: [
    ['partition', 'smallint'],
    ['seq', 'bigint'],
    ['level', 'integer'],
    ['previous', 'bigint'],
    ['kind', 'ledger_kind'],
    ['on_hand_delta', 'bigint'],
    ['reserved_delta', 'bigint'],
    ['reservation', 'uuid'],
  ],
  values: ({ ledger: g }) => [
    g.partition,
    g.seq,
    g.level,
    g.previous,
    g.kind,
    g.onHandDelta,
    g.reservedDelta,
    g.reservation,
  ],
  entries: (list) => ({
    ...places(list),
    kinds: list('kind'),
    on_hand_deltas: list('on_hand_delta'),
    reserved_deltas: list('reserved_delta'),
    reservations: list('reservation'),
  }),
};

/** In the place of `ledger`, where an entry has a reason or a reference; most batches have none. */
const notedLedger: Part = {
  columns: [],
  otherColumns: [...ledger.otherColumns!, ['reason', 'text'], ['reference', 'text']],
  values: (rows) => [...ledger.values(rows), rows.ledger.reason, rows.ledger.reference],
  entries: (list) => ({
    ...ledger.entries!(list),
    reasons: list('reason'),
    reference_texts: list('reference'),
  }),
};

const keys: Part = {
  columns: [
    ['partition', 'smallint'],
    ['key', 'uuid'],
    ['key_partition', 'smallint'],
    ['fingerprint', 'uuid'],
    ['answer', 'text'],
  ],
  values: ({ keys: k }) => [k.partition, k.key, k.keyPartition, k.fingerprint, k.answer],
  write: `insert into idempotency_key (partition, key, key_partition, fingerprint, answer, at)
    select u.partition, u.key, u.key_partition, u.fingerprint, decode(u.answer, 'hex'), ${AT}`,
  // One that was forgotten, and is used again before its row was swept away.
  otherwise: `on conflict (partition, key_partition, key) do update
    set fingerprint = excluded.fingerprint, answer = excluded.answer, at = excluded.at`,
};

/** Afterwards nobody owns them: see take-partitions.ts. */
const releases: Part = {
  columns: [['partition', 'smallint']],
  values: (rows) => [rows.releases],
  write: 'update partition p set epoch = 0',
};

/** What an update adds to `from u`: which row is meant. */
export const MATCHES = new Map<Part, string>([
  [levels, 's.partition = u.partition and s.level = u.level'],
  [releases, 'p.partition = u.partition and p.epoch = $1::bigint'],
  [closings, 'r.partition = u.partition and r.status = u.was and r.id = u.id'],
  [changes, 'r.partition = u.partition and r.status = u.was and r.id = u.id'],
]);

export const PARTS: readonly (readonly [Part, (rows: BatchRows) => boolean])[] = [
  [newLevels, (rows) => rows.newLevels.level.length > 0],
  [counted, (rows) => rows.counted.level.length > 0],
  [levels, (rows) => rows.levels.level.length > 0],
  [holds, (rows) => rows.holds.id.length > 0],
  [reservations, (rows) => rows.reservations.id.length > 0],
  [closings, (rows) => rows.closings.id.length > 0],
  [changes, (rows) => rows.changes.id.length > 0],
  [ledger, (rows) => rows.ledger.seq.length > 0 && !isNoted(rows)],
  [notedLedger, isNoted],
  [keys, (rows) => rows.keys.key.length > 0],
  [releases, (rows) => rows.releases.length > 0],
];

function isNoted({ ledger: { reason } }: BatchRows): boolean {
  return reason.some((text) => text !== null);
}

export function columnsOf({ columns, otherColumns = [] }: Part): Columns {
  return [...columns, ...otherColumns];
}
