/**
 * Holds every answer that a test gets from a server of ours against the document that this server
 * publishes. Tests do nothing for it: `fetch` itself is replaced before the first of them is loaded
 * (bunfig.toml preloads preload.ts), a server is watched from its start on (server.ts,
 * scripted-front.ts), and a test during which an answer departed from the document fails after its
 * own expectations, also where it swallowed the answer.
 *
 * Not checked: servers that nobody watches, and what `uncheckedFetch` is used for on purpose.
 */
import { Contract, isJson, mediaTypeOf } from './contract.ts';

/** By port. Servers of one version publish one document, so its schemas are compiled once in a run. */
const watched = new Map<string, Contract>();
const contracts = new Map<string, Contract>();
const faults: string[] = [];
const FAULTS_SHOWN = 20;

/** For a server that a test lets answer what it never would by itself. */
export const uncheckedFetch = globalThis.fetch;

/** From now on, answers from these ports are checked. @param ports of fronts of the same server */
export async function watch(...ports: number[]): Promise<void> {
  const document = await (await uncheckedFetch(`http://127.0.0.1:${ports[0]}/swagger/json`)).text();
  let contract = contracts.get(document);
  if (contract === undefined) {
    contract = new Contract(document);
    contracts.set(document, contract);
  }
  for (const port of ports) watched.set(String(port), contract);
}

export function isWatched(port: number): boolean {
  return watched.has(String(port));
}

/** What departed from the document since the last call. */
export function takeFaults(): string[] {
  return faults.splice(0);
}

/** For a hook after each test. @throws Error with every departure from the document */
export function failOnFaults(): void {
  const found = takeFaults();
  if (found.length === 0) return;
  const more = found.length > FAULTS_SHOWN ? `\nand ${found.length - FAULTS_SHOWN} more` : '';
  const shown = found.slice(0, FAULTS_SHOWN).join('\n');
  throw new Error(`not as the OpenAPI document says:\n${shown}${more}`);
}

export function checkEveryFetch(): void {
  const checked = async (...[input, init]: Parameters<typeof fetch>): Promise<Response> => {
    const response = await uncheckedFetch(input, init);
    const { url, method } = input instanceof Request ? input : { url: String(input), method: 'GET' };
    const { hostname, port, pathname } = new URL(url);
    if (hostname === '127.0.0.1') await check(port, init?.method ?? method, pathname, response);
    return response;
  };
  globalThis.fetch = Object.assign(checked, { preconnect: uncheckedFetch.preconnect });
}

/** For an answer that did not come through `fetch`. Leaves the body to be read. */
export async function check(port: string, method: string, path: string, response: Response): Promise<void> {
  const contract = watched.get(port);
  if (contract === undefined) return;
  const { status, headers } = response;
  // A stream is the test's to read; an answer that breaks off is no answer.
  const reading = isJson(mediaTypeOf(headers)) ? response.clone().text() : undefined;
  const body = await reading?.catch(() => undefined);
  faults.push(...contract.faultsOf({ method, path, status, headers, body }));
}
