/** The table of API keys: what is written is read again, only good keys count, and there are no more than a front can have. */
import { afterAll, beforeAll, expect, setDefaultTimeout, test } from 'bun:test';
import { API_KEYS_MAX, FRAME_BYTES_MAX } from '../../src/limits.ts';
import {
  createApiKey,
  hasUsableApiKey,
  listApiKeys,
  loadKeyring,
  revokeApiKey,
} from '../../src/storage/api-keys.ts';
import { openDatabase, type Sql } from '../../src/storage/database.ts';
import { prepareDatabase } from '../../src/storage/migrate.ts';
import { Writer } from '../../src/wire/bytes.ts';
import { encodeReply } from '../../src/wire/codec.ts';
import { keyringOf, testKey } from '../helpers/api-keys.ts';
import { startPostgres, type TestDatabase } from '../helpers/postgres.ts';

setDefaultTimeout(60_000);

let database: TestDatabase;
let sql: Sql;
beforeAll(async () => {
  database = await startPostgres();
  await prepareDatabase(database.spec, 4);
  sql = openDatabase(database.spec, 'test');
});
afterAll(async () => {
  await sql.end();
  await database.stop();
});

const expired = testKey(['read'], { name: 'old', expiresAt: Date.now() - 1000 });
const good = testKey(['reserve', 'stock'], {
  name: `it's "quoted", {braced} and \\`,
  expiresAt: Date.now() + 60_000,
  rate: { requests: 500, seconds: 60 },
});

test('there has never been a key, until there is', async () => {
  expect(await loadKeyring(sql)).toEqual({ everMade: false, keys: [] });
  expect(await createApiKey(sql, expired)).toBe(true);
  expect((await loadKeyring(sql)).everMade).toBe(true);
  expect(await hasUsableApiKey(sql)).toBe(false);
  expect(await createApiKey(sql, good)).toBe(true);
  expect(await hasUsableApiKey(sql)).toBe(true);
  expect(await loadKeyring(sql)).toEqual(keyringOf(good, expired));
});

test('what is revoked is known to the list alone', async () => {
  expect(await revokeApiKey(sql, good.id)).toBe('revoked');
  expect(await revokeApiKey(sql, good.id)).toBe('before');
  expect(await revokeApiKey(sql, "'; drop table api_key; --")).toBe('unknown');
  expect(await hasUsableApiKey(sql)).toBe(false);
  expect(await loadKeyring(sql)).toEqual(keyringOf(expired));
  const [newest] = await listApiKeys(sql);
  expect(newest).toMatchObject({ id: good.id, name: good.name, rate: good.rate });
  expect(Math.abs(newest.revokedAt! - Date.now())).toBeLessThan(10_000);
});

test('there are no more than there may be, and all of them fit a frame', async () => {
  await sql`
    insert into holdfast.api_key (id, name, scopes, secret_sha256)
    select to_hex(281474976710656 - n), repeat('ü', 100), '{read,reserve,stock,admin}', sha256(n::text::bytea)
      from generate_series(2, ${API_KEYS_MAX}::integer) n`;
  expect(await createApiKey(sql, testKey(['read']))).toBe(false);
  const keyring = await loadKeyring(sql);
  expect(keyring.keys).toHaveLength(API_KEYS_MAX);
  const writer = new Writer(16);
  encodeReply(writer, { kind: 'api-keys', keyring });
  expect(writer.length).toBeLessThan(FRAME_BYTES_MAX);
  await revokeApiKey(sql, expired.id);
  expect(await createApiKey(sql, testKey(['read']))).toBe(true);
});
