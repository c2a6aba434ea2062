/** HTTPS with a certificate that this test makes and its client trusts; and files that can't be right, before anything starts. */
import { afterAll, beforeAll, expect, test } from 'bun:test';
import { readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { type Home, makeHome, processesOf, startRefused, startServer } from '../helpers/server.ts';

const SLOW_MS = 60_000;
let home: Home;
let folder: string;
const at = (name: string): string => join(folder, name);

/** A certificate that signs itself, for a name and for this machine. */
function makeCertificate(name: string): void {
  const made = Bun.spawnSync([
    'openssl',
    ...['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2'],
    ...['-subj', '/CN=holdfast.test', '-addext', 'subjectAltName=DNS:holdfast.test,IP:127.0.0.1'],
    ...['-keyout', at(`${name}.key`), '-out', at(`${name}.crt`)],
  ]);
  if (made.exitCode !== 0) throw new Error(made.stderr.toString());
}

beforeAll(async () => {
  home = await makeHome();
  folder = dirname(home.dataDir);
  makeCertificate('own');
  makeCertificate('other');
  writeFileSync(at('nothing.pem'), 'nothing\n');
});
afterAll(() => home.remove());

test(
  'a server speaks TLS to a client that knows its certificate, and to nobody else',
  async () => {
    const server = await startServer({
      home,
      env: { HOLDFAST_TLS_CERT: at('own.crt'), HOLDFAST_TLS_KEY: at('own.key') },
    });
    try {
      expect(server.url).toStartWith('https://');
      expect(server.output()).toContain(`API         ${server.url}`);
      const ca = readFileSync(at('own.crt'), 'utf8');
      const put = await fetch(`${server.url}/v1/stock/A/x`, {
        method: 'PUT',
        headers: { 'content-type': 'application/json' },
        body: '{"onHand":5}',
        tls: { ca },
      });
      expect(put.status).toBe(201);
      const stranger = fetch(`${server.url}/livez`, { tls: { ca: readFileSync(at('other.crt'), 'utf8') } });
      expect(stranger).rejects.toThrow();
      await stranger.catch(() => {});
      const plain = await fetch(`http://127.0.0.1:${server.port}/livez`).catch(() => undefined);
      expect(plain?.ok ?? false).toBe(false);
    } finally {
      await server.stop();
    }
  },
  SLOW_MS,
);

test.each([
  [['own.crt', undefined], () => 'HOLDFAST_TLS_CERT is set and HOLDFAST_TLS_KEY is not; TLS needs both'],
  [[undefined, 'own.key'], () => 'HOLDFAST_TLS_KEY is set and HOLDFAST_TLS_CERT is not; TLS needs both'],
  [['no.crt', 'own.key'], () => `HOLDFAST_TLS_CERT is ${at('no.crt')}, which cannot be read (ENOENT)`],
  [['own.crt', 'no.key'], () => `HOLDFAST_TLS_KEY is ${at('no.key')}, which cannot be read (ENOENT)`],
  [
    ['nothing.pem', 'own.key'],
    () => `HOLDFAST_TLS_CERT is ${at('nothing.pem')}, which has no certificate in PEM form`,
  ],
  [
    ['own.crt', 'own.crt'],
    () => `HOLDFAST_TLS_KEY is ${at('own.crt')}, which has no private key in PEM form`,
  ],
  [
    ['own.crt', 'other.key'],
    () =>
      `HOLDFAST_TLS_KEY is ${at('other.key')}, which is not the private key of the certificate in HOLDFAST_TLS_CERT`,
  ],
] as [(string | undefined)[], () => string][])(
  '%j is refused before anything is started',
  async ([cert, key], reason) => {
    const { code, stdout, stderr } = await startRefused(home, {
      HOLDFAST_TLS_CERT: cert === undefined ? '' : at(cert),
      HOLDFAST_TLS_KEY: key === undefined ? '' : at(key),
    });
    expect([code, stdout]).toEqual([1, '']);
    expect(stderr).toStartWith(`holdfast: ${reason()}`);
    expect(stderr.trimEnd()).not.toContain('\n');
    expect(processesOf(home.dataDir)).toEqual([]);
  },
  SLOW_MS,
);
