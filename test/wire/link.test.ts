import { afterEach, expect, test } from 'bun:test';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Answer, connect, type Link, LinkBroken, listen } from '../../src/wire/link.ts';
import type { Request } from '../../src/wire/messages.ts';

const cleanUps: (() => void)[] = [];
afterEach(() => {
  for (const cleanUp of cleanUps.splice(0)) cleanUp();
});

function socketPath(): string {
  const folder = mkdtempSync(join(tmpdir(), 'holdfast-link-'));
  cleanUps.push(() => rmSync(folder, { recursive: true }));
  return join(folder, 'worker.sock');
}

function serve(
  path: string,
  onRequest: (request: Request, answer: Answer) => void,
  malformed: string[] = [],
) {
  const server = listen(path, onRequest, (reason) => malformed.push(reason)) as {
    stop(closeAll?: boolean): void;
  };
  cleanUps.push(() => server.stop(true));
  return server;
}

async function connected(path: string): Promise<Link> {
  const link = connect(path);
  cleanUps.push(() => link.close());
  await until(() => link.connected);
  return link;
}

async function until(condition: () => boolean): Promise<void> {
  for (let i = 0; i < 500; i++) {
    if (condition()) return;
    await Bun.sleep(5);
  }
  throw new Error('it did not happen within 2.5 s');
}

const ask = (sku: string): Request => ({ kind: 'get-levels', partition: 1, deadline: 2, sku });
const echo = (request: Request, answer: Answer): void =>
  answer({ kind: 'outcome', outcome: 'held', expiresAt: Number((request as { sku: string }).sku) });

test('answers come back to the request they are for, in whatever order', async () => {
  const path = socketPath();
  const waiting: (() => void)[] = [];
  serve(path, (request, answer) => {
    waiting.push(() => echo(request, answer));
    if (waiting.length === 200) for (const run of waiting.reverse()) run();
  });
  const link = await connected(path);
  const replies = await Promise.all(Array.from({ length: 200 }, (_, i) => link.ask(ask(`${i}`))));
  expect(replies).toEqual(
    Array.from({ length: 200 }, (_, i) => ({ kind: 'outcome', outcome: 'held', expiresAt: i })),
  );
});

test('megabytes in both directions wait for the other side and arrive', async () => {
  const path = socketPath();
  const sku = 'k'.repeat(128);
  const level = {
    sku,
    location: sku,
    onHand: 1,
    reserved: 1,
    safetyStock: 0,
    backorderLimit: 0,
    version: 1,
    updatedAt: 1,
  };
  const levels = Array.from({ length: 1000 }, () => level);
  serve(path, (_, answer) => answer({ kind: 'levels', levels }));
  const link = await connected(path);
  const replies = await Promise.all(Array.from({ length: 40 }, () => link.ask(ask(sku))));
  expect(replies.every((reply) => reply.kind === 'levels' && reply.levels.length === 1000)).toBe(true);
});

test('a break fails what is unanswered, and the link comes back by itself', async () => {
  const path = socketPath();
  const first = serve(path, () => {});
  const link = await connected(path);
  const lost = link.ask(ask('1')).catch((error) => error);
  await Bun.sleep(20);
  first.stop(true);
  expect(await lost).toBeInstanceOf(LinkBroken);
  expect((await lost).sent).toBe(true);
  const refused = await link.ask(ask('1')).catch((error) => error);
  expect(refused).toBeInstanceOf(LinkBroken);
  expect(refused.sent).toBe(false);
  rmSync(path, { force: true });
  serve(path, echo);
  await until(() => link.connected);
  expect(await link.ask(ask('7'))).toEqual({ kind: 'outcome', outcome: 'held', expiresAt: 7 });
});

test('bytes that are not frames cost their sender its connection and nobody else anything', async () => {
  const path = socketPath();
  const malformed: string[] = [];
  serve(path, echo, malformed);
  const link = await connected(path);
  for (const bytes of [
    [255, 255, 255, 255, 0, 0, 0, 0],
    [5, 0, 0, 0, 1, 0, 0, 0, 99],
    [6, 0, 0, 0, 1, 0, 0, 0, 0, 1],
  ]) {
    let closed = false;
    await Bun.connect({
      unix: path,
      socket: {
        open: (socket) => void socket.write(new Uint8Array(bytes)),
        data() {},
        close: () => {
          closed = true;
        },
      },
    });
    await until(() => closed);
  }
  expect(malformed).toHaveLength(3);
  expect(await link.ask(ask('7'))).toEqual({ kind: 'outcome', outcome: 'held', expiresAt: 7 });
});
