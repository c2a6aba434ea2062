/**
 * The health check of the image: does every front of this container answer /livez? Not /readyz: a database that
 * is away is not cured by a new container. Ends with 0 or 1, and on 1 says which front is silent.
 *
 * With TLS the certificate need not name an address of this machine, so it is not looked at.
 */
import { readSettings } from '../../src/config.ts';

const WITHIN_MS = 2500;

const { fronts, host, port } = readSettings(process.env);
const scheme = process.env.HOLDFAST_TLS_CERT ? 'https' : 'http';
const reachable = { '0.0.0.0': '127.0.0.1', '::': '[::1]' }[host] ?? host;
const urls = Array.from({ length: fronts }, (_, front) => `${scheme}://${reachable}:${port + front}/livez`);
const silent = await Promise.all(
  urls.map(async (url) => {
    const options = { signal: AbortSignal.timeout(WITHIN_MS), tls: { rejectUnauthorized: false } };
    const lives = await fetch(url, options).then(
      ({ ok }) => ok,
      () => false,
    );
    return lives ? [] : [url];
  }),
);
for (const url of silent.flat()) console.error(`no answer: ${url}`);
process.exit(silent.flat().length === 0 ? 0 : 1);
