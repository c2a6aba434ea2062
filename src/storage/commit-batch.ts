/**
 * One batch of decisions made durable: one statement, one round trip, one fsync.
 *
 * The statement is built from the parts that the batch has rows for, and every part of it writes only if
 * the fence, its first part, found the owner's row with the epoch and the commit sequence expected. So it is
 * safe to send the next batch before this one has been answered, and never possible to commit
 * after another owner has come. Parts of a statement don't see each other's rows (Postgres manual, 7.8.4):
 * a row stands in one part only, which Batch sees to.
 *
 * Arrays travel as Postgres array literals (manual, 8.15.2) in text parameters: one statement text for
 * every size of batch.
 *
 * A statement that is part of a trace says so in a comment (https://google.github.io/sqlcommenter), for whoever reads
 * it in the database's log or in pg_stat_activity. Its text is then another one each time, so it is sent without
 * being prepared: Postgres parses and plans it anew, and nothing of it is kept; a lane sends few of them. The comment comes first, because
 * pg_stat_activity shows only the beginning.
 */
import type { BatchRows, LevelColumns } from './batch-rows.ts';
import { Fenced, type Sql } from './database.ts';

type Value = number | string | null;

interface Part {
  /** In the order in which `values` gives them. */
  columns: readonly (readonly [name: string, type: string])[];
  values(rows: BatchRows): Value[][];
  /** What `u` has beside them, the same in each row. */
  given?: string;
  /** What it writes from `u`, whose columns are those above. */
  write: string;
  /** What else it writes from the same columns, which then travel once. */
  also?: string;
  /** What it does with a row that is there already. */
  otherwise?: string;
}

/** Milliseconds of a column of `u` as a timestamp. */
const time = (column: string): string => `to_timestamp(${column} * 0.001::float8)`;
/** When the batch was decided: the third parameter. */
const AT = time('$3::float8');

const LEVEL_COLUMNS = [
  ['partition', 'smallint'],
  ['level', 'integer'],
  ['on_hand', 'integer'],
  ['reserved', 'bigint'],
  ['safety_stock', 'integer'],
  ['backorder_limit', 'integer'],
  ['version', 'bigint'],
  ['last_entry', 'bigint'],
] as const;
const levelValues = (l: LevelColumns): Value[][] => [
  l.partition,
  l.level,
  l.onHand,
  l.reserved,
  l.safetyStock,
  l.backorderLimit,
  l.version,
  l.lastEntry,
];

const newLevels: Part = {
  columns: [...LEVEL_COLUMNS, ['sku', 'text'], ['location', 'text']],
  values: ({ newLevels: n }) => [...levelValues(n), n.sku, n.location],
  write: `insert into stock_level (partition, level, sku, location, on_hand, reserved, safety_stock, backorder_limit,
                                   version, last_entry, updated_at)
    select u.partition, u.level, u.sku, u.location, u.on_hand, u.reserved, u.safety_stock, u.backorder_limit,
           u.version, u.last_entry, ${AT}`,
};

/** What an import of new levels consists of. In commits of 1,024, a row costs Postgres 11.9 µs; as rows of the parts `newLevels` and `ledger`, 14. */
const counted: Part = {
  columns: [
    ['partition', 'smallint'],
    ['level', 'integer'],
    ['on_hand', 'integer'],
    ['safety_stock', 'integer'],
    ['backorder_limit', 'integer'],
    ['entry', 'bigint'],
    ['sku', 'text'],
    ['location', 'text'],
  ],
  values: ({ counted: n }) => [
    n.partition,
    n.level,
    n.onHand,
    n.safetyStock,
    n.backorderLimit,
    n.entry,
    n.sku,
    n.location,
  ],
  write: `insert into stock_level (partition, level, sku, location, on_hand, reserved, safety_stock, backorder_limit,
                                   version, last_entry, updated_at)
    select u.partition, u.level, u.sku, u.location, u.on_hand, 0, u.safety_stock, u.backorder_limit, 1, u.entry, ${AT}`,
  also: `insert into ledger (partition, seq, level, previous, kind, on_hand_delta, reserved_delta, at)
    select u.partition, u.entry, u.level, 0, 'counted', u.on_hand, 0, ${AT}`,
};

const levels: Part = {
  columns: LEVEL_COLUMNS,
  values: (rows) => levelValues(rows.levels),
  write: `update stock_level s
    set on_hand = u.on_hand, reserved = u.reserved, safety_stock = u.safety_stock, backorder_limit = u.backorder_limit,
        version = u.version, last_entry = u.last_entry, updated_at = ${AT}, room = ''`,
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

/** In commits of 90, Postgres takes 17.7 µs for one and its level, 20.2 where its entry is a row of its own, and the client 1.7 less. */
const holds: Part = {
  columns: [
    ['partition', 'smallint'],
    ['id', 'uuid'],
    ['created_at', 'bigint'],
    ['expires_at', 'bigint'],
    ['reference', 'text'],
    ['level', 'integer'],
    ['quantity', 'integer'],
    ['entry', 'bigint'],
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
    h.entry,
    h.previous,
  ],
  write: `insert into reservation (partition, status, id, home, created_at, expires_at, reference, participants, lines)
    select u.partition, 'held', u.id, u.partition, ${time('u.created_at')}, ${time('u.expires_at')}, u.reference,
           '{}', array[0, u.level, u.quantity]`,
  also: `insert into ledger (partition, seq, level, previous, kind, on_hand_delta, reserved_delta, reservation, at)
    select u.partition, u.entry, u.level, u.previous, 'held', 0, u.quantity, u.id, ${AT}`,
};

/** The status is also the kind of the entry; units that are sold are taken off the shelf. */
const closings: Part = {
  columns: [
    ['partition', 'smallint'],
    ['id', 'uuid'],
    ['status', 'reservation_status'],
    ['expires_at', 'bigint'],
    ['level', 'integer'],
    ['quantity', 'integer'],
    ['entry', 'bigint'],
    ['previous', 'bigint'],
  ],
  values: ({ closings: c }) => [
    c.partition,
    c.id,
    c.status,
    c.expiresAt,
    c.level,
    c.quantity,
    c.entry,
    c.previous,
  ],
  // As a column: of a constant, Postgres may think that all rows that have it are soon read, and read them for each commit.
  given: "'held'::reservation_status as was",
  write: `update reservation r
    set status = u.status, expires_at = ${time('u.expires_at')}, closed_at = ${AT}`,
  also: `insert into ledger (partition, seq, level, previous, kind, on_hand_delta, reserved_delta, reservation, at)
    select u.partition, u.entry, u.level, u.previous,
           case u.status when 'confirmed' then 'confirmed'::ledger_kind when 'cancelled' then 'cancelled'
                         when 'expired' then 'expired' else 'never' end,
           case u.status when 'confirmed' then -u.quantity else 0 end, -u.quantity, u.id, ${AT}`,
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
  columns: [
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
  write: `insert into ledger (partition, seq, level, previous, kind, on_hand_delta, reserved_delta, reservation, at)
    select u.partition, u.seq, u.level, u.previous, u.kind, u.on_hand_delta, u.reserved_delta, u.reservation, ${AT}`,
};

/** In the place of `ledger`, where an entry has a reason or a reference; most batches have none. */
const notedLedger: Part = {
  columns: [...ledger.columns, ['reason', 'text'], ['reference', 'text']],
  values: (rows) => [...ledger.values(rows), rows.ledger.reason, rows.ledger.reference],
  write: `insert into ledger (partition, seq, level, previous, kind, on_hand_delta, reserved_delta, reservation, reason,
                              reference, at)
    select u.partition, u.seq, u.level, u.previous, u.kind, u.on_hand_delta, u.reserved_delta, u.reservation, u.reason,
           u.reference, ${AT}`,
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
const MATCHES = new Map<Part, string>([
  [levels, 's.partition = u.partition and s.level = u.level'],
  // Alone in a commit it would leave the third parameter without a use, and so without a type.
  [releases, 'p.partition = u.partition and p.epoch = $1::bigint and $3::float8 is not null'],
  [closings, 'r.partition = u.partition and r.status = u.was and r.id = u.id'],
  [changes, 'r.partition = u.partition and r.status = u.was and r.id = u.id'],
]);

const PARTS: readonly (readonly [Part, (rows: BatchRows) => boolean])[] = [
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

const statements = new Map<number, string>();

/** @throws Fenced, having written nothing */
export async function commitBatch(sql: Sql, rows: BatchRows): Promise<void> {
  const parameters: (number | string)[] = [rows.owner.epoch, rows.owner.commitSeq, rows.at];
  const present: Part[] = [];
  let mask = 0;
  for (const [index, [part, has]] of PARTS.entries()) {
    if (!has(rows)) continue;
    mask |= 1 << index;
    present.push(part);
    part.values(rows).forEach((values, column) => {
      const isText = part.columns[column][1] === 'text';
      parameters.push(isText ? quoted(values as (string | null)[]) : plain(values));
    });
  }
  let statement = statements.get(mask);
  if (statement === undefined) {
    statement = statementOf(present);
    statements.set(mask, statement);
  }
  const { traceparent } = rows;
  const fence =
    traceparent === undefined
      ? await sql.unsafe(statement, parameters, { prepare: true })
      : await sql.unsafe(`/*traceparent='${traceparent}'*/ ${statement}`, parameters, { prepare: false });
  if (fence.length === 0) throw new Fenced();
}

function statementOf(parts: Part[]): string {
  let parameter = 3;
  const written = parts.flatMap((part, index) => {
    const columns = part.columns.map(([name, type]) => `unnest($${++parameter}::${type}[]) as ${name}`);
    if (part.given !== undefined) columns.push(part.given);
    // In the list of a select, unnest needs no table of its rows, as it does behind `from`: a tenth of the statement.
    const rows = `from (select ${columns.join(', ')}) u
     where exists (select from fence)`;
    const matches = MATCHES.get(part);
    const written = [
      `part${index} as (
    ${part.write}
      ${rows}${matches === undefined ? '' : ` and ${matches}`}
    ${part.otherwise ?? ''})`,
    ];
    if (part.also !== undefined)
      written.push(`also${index} as (
    ${part.also}
      ${rows})`);
    return written;
  });
  return `with fence as (
    update owner set commit_seq = $2::bigint where epoch = $1::bigint and commit_seq = $2::bigint - 1 returning epoch),
  ${written.join(',\n  ')}
  select epoch from fence`;
}

/** Numbers, UUIDs and enum labels need no quotes in an array literal; null is written as nothing but NULL. */
function plain(values: Value[]): string {
  return `{${values.includes(null) ? values.map((value) => value ?? 'NULL').join(',') : values.join(',')}}`;
}

function quoted(values: (string | null)[]): string {
  return `{${values.map((value) => (value === null ? 'NULL' : `"${escaped(value)}"`)).join(',')}}`;
}

const SPECIAL = /["\\]/;
function escaped(value: string): string {
  return SPECIAL.test(value) ? value.replace(/["\\]/g, '\\$&') : value;
}
