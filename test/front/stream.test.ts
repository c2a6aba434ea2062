/** Answers that are made while they are sent, over a real connection. */
import { expect, test } from 'bun:test';
import { streamed } from '../../src/front/stream.ts';
import { until } from '../helpers/server.ts';

/** Serves one stream of these pieces. @returns where, and how often it has ended */
function serve(pieces: () => AsyncGenerator<string>) {
  const served = { url: '', ended: 0, stop: () => server.stop(true) };
  const server = Bun.serve({
    port: 0,
    development: false,
    fetch: () => streamed(pieces(), 'text/plain', () => served.ended++),
  });
  served.url = server.url.href;
  return served;
}

test('arrives whole, and ends once', async () => {
  const served = serve(async function* () {
    yield 'one ';
    await Bun.sleep(10);
    yield 'zwölf';
  });
  const response = await fetch(served.url);
  expect([response.headers.get('content-type'), await response.text()]).toEqual(['text/plain', 'one zwölf']);
  expect(served.ended).toBe(1);
  await served.stop();
});

test('that fails breaks the connection', async () => {
  const served = serve(async function* () {
    yield 'one ';
    await Bun.sleep(50);
    throw new Error('no more');
  });
  const response = await fetch(served.url);
  await expect(response.text()).rejects.toThrow();
  expect(served.ended).toBe(1);
  await served.stop();
});

test('whose reader goes stops being made, and has ended once even if it fails then', async () => {
  let made = 0;
  const failing = Promise.withResolvers<never>();
  const served = serve(async function* () {
    try {
      yield 'x'.repeat(1000);
      await failing.promise;
    } finally {
      made++;
    }
  });
  const response = await fetch(served.url);
  const reader = response.body!.getReader();
  await reader.read();
  await reader.cancel();
  await until(
    () => served.ended === 1,
    5000,
    () => 'the server does not see that its reader has gone',
  );
  failing.reject(new Error('too late'));
  await until(
    () => made === 1,
    5000,
    () => 'it is still being made',
  );
  await Bun.sleep(20);
  expect(served.ended).toBe(1);
  await served.stop();
});
