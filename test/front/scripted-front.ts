/**
 * A real front on a real port, behind which a worker on a real Unix socket answers as a test says:
 * for what a whole server cannot be brought to do on demand, such as not answering.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Keyring } from '../../src/access/keyring.ts';
import { startFront } from '../../src/front/front.ts';
import { evenMap } from '../../src/routing/partition-map.ts';
import { type Answer, listen } from '../../src/wire/link.ts';
import type { Reply, Request as WorkerRequest } from '../../src/wire/messages.ts';
import { check, watch } from '../helpers/conformance.ts';
import { freePorts, until } from '../helpers/server.ts';

export const PARTITIONS = 16;

/**
 * What a worker does with a request: answers now, or with `later` whenever it calls `answer`, which
 * may be never. Undefined: it serves, and answers nothing but questions for its status.
 */
export type Script = (request: WorkerRequest, answer: Answer) => Reply | 'later' | undefined;

export interface ScriptedFront {
  url: string;
  port: number;
  /** Every request that reached the worker, those for its status and for API keys excepted. */
  asked: WorkerRequest[];
  script: Script;
  /** What the worker says of API keys. */
  keyring: Keyring;
  /** Ends the worker; every connection to it breaks. */
  stopWorker(): void;
  drain(): Promise<void>;
  stop(): Promise<void>;
}

export const serving: Reply = {
  kind: 'status',
  status: {
    worker: 0,
    partitions: Array.from({ length: PARTITIONS }, (_, partition) => ({
      partition,
      state: 'serving' as const,
      epoch: 1,
      levels: 2,
      held: 3,
      mailboxDepth: 4,
      commitSeq: 5,
      commands: 6,
    })),
    commits: 0,
    commands: 0,
    memoryBytes: 0,
  },
};

const NO_KEYS: Keyring = { everMade: false, keys: [] };

export async function startScriptedFront(
  script: Script = () => undefined,
  keyring = NO_KEYS,
): Promise<ScriptedFront> {
  const folder = mkdtempSync(join(tmpdir(), 'holdfast-front-'));
  const socket = join(folder, 'worker.sock');
  let draining: Promise<void> | undefined;
  const scripted: ScriptedFront = {
    url: '',
    port: await freePorts(1),
    asked: [],
    script,
    keyring,
    stopWorker: () => worker.stop(true),
    drain() {
      draining ??= front.drain();
      return draining;
    },
    async stop() {
      await scripted.drain();
      worker.stop(true);
      rmSync(folder, { recursive: true, force: true });
    },
  };
  scripted.url = `http://127.0.0.1:${scripted.port}`;
  const onRequest = (request: WorkerRequest, answer: Answer): void => {
    if (request.kind === 'read-api-keys') return answer({ kind: 'api-keys', keyring: scripted.keyring });
    if (request.kind !== 'status') scripted.asked.push(request);
    const reply = scripted.script(request, answer) ?? (request.kind === 'status' ? serving : 'later');
    if (reply !== 'later') answer(reply);
  };
  const worker = listen(socket, onRequest, (reason) => {
    throw new Error(reason);
  }) as { stop(closeActiveConnections?: boolean): void };
  const front = await startFront({
    role: 'front',
    front: 0,
    host: '127.0.0.1',
    port: scripted.port,
    map: evenMap(1, PARTITIONS, [socket]),
    fronts: 1,
    mayBeOpen: true,
  });
  const isReady = async (): Promise<boolean> => (await fetch(`${scripted.url}/readyz`)).status === 200;
  await until(isReady, 5000, () => 'the front does not reach its worker');
  await watch(scripted.port);
  return scripted;
}

/** A request as bytes, and what comes back until the server closes or the time is over. One answer is checked as of `fetch`. */
export async function speak(
  port: number,
  parts: { afterMs?: number; bytes: string }[],
  waitMs: number,
): Promise<{ text: string; ms: number; closed: boolean }> {
  const started = performance.now();
  const heard = { text: '', ms: 0, closed: false };
  const ended = Promise.withResolvers<void>();
  const socket = await Bun.connect({
    hostname: '127.0.0.1',
    port,
    socket: {
      data(_socket, bytes) {
        heard.text += bytes.toString();
        heard.ms = performance.now() - started;
      },
      close() {
        heard.closed = true;
        ended.resolve();
      },
      error() {},
    },
  });
  for (const { afterMs, bytes } of parts) {
    if (afterMs !== undefined) await Bun.sleep(afterMs);
    socket.write(bytes);
  }
  await Promise.race([ended.promise, Bun.sleep(waitMs)]);
  socket.end();
  const [, method, path] = /^([A-Z]+) (\/\S*) HTTP/.exec(parts.map(({ bytes }) => bytes).join('')) ?? [];
  const response = answerOf(heard.text);
  // One that is streamed has no length, and may be cut off.
  const isWhole = response !== undefined && /\r\ncontent-length:/i.test(heard.text);
  if (method !== undefined && isWhole) await check(String(port), method, path.split('?')[0], response);
  return heard;
}

/** The one answer that was heard; undefined if it has no status. */
export function answerOf(text: string): Response | undefined {
  const [head, body] = text.split('\r\n\r\n', 2);
  const [first, ...fields] = head.split('\r\n');
  const status = Number(/^HTTP\/1\.1 ([2-5]\d\d) /.exec(first)?.[1]);
  if (Number.isNaN(status)) return undefined;
  const headers = fields
    .filter((field) => field.includes(':'))
    .map((field): [string, string] => [field.split(':')[0], field.slice(field.indexOf(':') + 1)]);
  return new Response(body, { status, headers });
}
