/** Rows as Postgres sends them in binary, read back exactly, however their bytes arrive and whatever goes wrong meanwhile. */
import { afterAll, beforeAll, expect, test } from 'bun:test';
import { formatId } from '../../src/reservations/id.ts';
import { CopiedRow, copyRows, copyRowsOfPartitions } from '../../src/storage/copy-rows.ts';
import { openDatabase, type Sql } from '../../src/storage/database.ts';
import { startPostgres, type TestDatabase } from '../helpers/postgres.ts';

const ID = '0198f0a1-ffff-7abc-8000-00000000ff01';
/** A row of extremes, and one of nothing. */
const QUERY = `
  select (-32768)::smallint, (-2147483648)::integer, (-9007199254740991)::bigint, 'TÉ 茶 \u{1F375}'::text, ''::text,
         '${ID}'::uuid, '1969-12-31 23:59:59.999Z'::timestamptz, null::integer, '{}'::integer[], '{1,-2,2147483647}'::integer[], '{7,-8}'::smallint[]
  union all
  select 32767::smallint, 2147483647, 9007199254740991, chr(65279) || 'x', repeat('y', 300), '${ID}', '2038-01-19 03:14:07.123Z', 5, '{0}', '{}', null`;

let database: TestDatabase;
let sql: Sql;

beforeAll(async () => {
  database = await startPostgres();
  sql = openDatabase(database.spec, 'test');
}, 30_000);

afterAll(async () => {
  await sql?.end({ timeout: 1 });
  await database?.stop();
}, 30_000);

function read(row: CopiedRow): unknown[] {
  const numbers = [row.int16(), row.int32(), row.int64()];
  const texts = [row.text(), row.text(), formatId(row.uuid(new Uint32Array(4)), 0)];
  const time = new Date(row.time()).toISOString();
  const nullable = row.isNull() ? null : row.int32();
  return [
    ...numbers,
    ...texts,
    time,
    nullable,
    row.integers(),
    row.integers(),
    row.isNull() || row.integers(),
  ];
}

const EXPECTED = [
  [
    -32768,
    -2147483648,
    -9007199254740991,
    'TÉ 茶 🍵',
    '',
    ID,
    '1969-12-31T23:59:59.999Z',
    null,
    [],
    [1, -2, 2147483647],
    [7, -8],
  ],
  [
    32767,
    2147483647,
    9007199254740991,
    '\uFEFFx',
    'y'.repeat(300),
    ID,
    '2038-01-19T03:14:07.123Z',
    5,
    [0],
    [],
    true,
  ],
];

test('every type is read back, null and empty as well', async () => {
  const rows: unknown[] = [];
  await copyRows(sql, QUERY, (row) => rows.push(read(row)));
  expect(rows).toEqual(EXPECTED);
});

test('however the bytes are cut', async () => {
  const parts: Buffer[] = await Array.fromAsync(
    await sql.unsafe(`copy (${QUERY}) to stdout (format binary)`).readable(),
  );
  const whole = Buffer.concat(parts);
  for (let size = 1; size <= whole.length; size++) {
    const rows: unknown[] = [];
    const reader = new CopiedRow((row) => rows.push(read(row)));
    for (let at = 0; at < whole.length; at += size) {
      expect(reader.ended).toBeFalse();
      reader.take(whole.subarray(at, at + size));
    }
    expect(rows).toEqual(EXPECTED);
    expect(reader.ended).toBeTrue();
  }
});

test('rows of a partition come together and in order, however mixed and long they are', async () => {
  const [ROWS, PARTITIONS] = [20_000, 7];
  const seen: number[][] = Array.from({ length: PARTITIONS }, () => []);
  let [last, changes] = [-1, 0];
  // One of the rows in a thousand is longer than all that is gathered of a partition.
  const query = `select (i % ${PARTITIONS} - 1)::smallint, i, repeat('x', case when i % 1000 = 0 then 20000 else i % 50 end)
    from generate_series(1, ${ROWS}) i`;
  await copyRowsOfPartitions(sql, query, (row) => {
    const [partition, i, text] = [row.int16(), row.int32(), row.text()];
    expect(text.length).toBe(i % 1000 === 0 ? 20_000 : i % 50);
    seen[partition + 1].push(i);
    if (partition !== last) changes++;
    last = partition;
  });
  for (const [partition, rows] of seen.entries())
    expect(rows).toEqual(
      Array.from({ length: ROWS }, (_, at) => at + 1).filter((i) => i % PARTITIONS === partition),
    );
  expect(changes).toBeLessThan(ROWS / 20);

  const refused = copyRowsOfPartitions(sql, 'select 3::smallint, 5', () => {
    throw new Error('not so');
  });
  expect(await refused.catch((error) => error.message)).toBe('not so');
});

test('a connection is good for another query, whether few rows came or many', async () => {
  for (const count of [0, 1, 100, 1000, 5000, 300_000]) {
    let [rows, sum] = [0, 0];
    await copyRows(sql, `select i from generate_series(1, ${count}) i`, (row) => {
      rows++;
      sum += row.int32();
    });
    expect([rows, sum]).toEqual([count, (count * (count + 1)) / 2]);
    expect((await sql`select 1 as one`)[0].one).toBe(1);
  }
});

test('an error is told, wherever it happens: at once, after rows that came with it, after many, or in who reads them', async () => {
  const failsAt = (row: number) =>
    copyRows(sql, `select 1 / (${row} - i) from generate_series(1, 200000) i`, () => {});
  for (const row of [1, 2, 100, 3000, 150_000]) {
    const error = await failsAt(row).catch((error) => error);
    expect(error.code).toBe('22012');
  }
  for (const failing of [1, 100, 150_000]) {
    let rows = 0;
    const reading = copyRows(sql, 'select i from generate_series(1, 200000) i', () => {
      if (++rows === failing) throw new Error('not so');
    });
    expect(await reading.catch((error) => error.message)).toBe('not so');
    expect(rows).toBe(failing);
  }
  await copyRows(sql, QUERY, () => {});
});

test('a connection that is ended meanwhile is told as well', async () => {
  const own = openDatabase(database.spec, 'ended');
  let rows = 0;
  const reading = copyRows(own, 'select i from generate_series(1, 1000000) i', () => {
    if (++rows === 1000) void own.end({ timeout: 0 });
  });
  expect((await reading.catch((error) => error)).code).toStartWith('CONNECTION_');
  expect(rows).toBeLessThan(1_000_000);
});
