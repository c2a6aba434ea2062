/**
 * Random calls against a reference model (test/helpers/model.ts), over two fronts and two workers:
 * few SKUs, so that orders want the same units and span partitions. What fails is shrunk to a short
 * sequence, printed with every call and answer, and with the seed to run it again.
 *
 * MODEL_SECONDS sets how long all of it takes; the default suits a run of the whole suite.
 */
import { afterAll, beforeAll, expect, setDefaultTimeout, test } from 'bun:test';
import fc from 'fast-check';
import { ASK_HOME_AFTER_MS } from '../../src/limits.ts';
import { partitionOf } from '../../src/routing/partition-map.ts';
import { type BooksSql, faultsOf, openBooks } from '../helpers/books.ts';
import { differences, Model } from '../helpers/model.ts';
import { merged } from '../helpers/model-among-others.ts';
import { type Call, Client, type Command, LETTERS, type Names } from '../helpers/model-client.ts';
import { commandsOf, opening, read, stock } from '../helpers/model-commands.ts';
import { type Made, Player } from '../helpers/model-play.ts';
import { startServer, type TestServer } from '../helpers/server.ts';

const SECONDS = Number(process.env.MODEL_SECONDS || 24) / 3;
/** What was found is shrunk for as long as this. */
const SHRINK_MS = 60_000;
/** By then, a participant that heard nothing of an order has asked its home. */
const QUIET_MS = ASK_HOME_AFTER_MS + 5000;
setDefaultTimeout(SECONDS * 1000 + SHRINK_MS + 2 * QUIET_MS);

/** So few that SKUs share them: 0 to 3 are the first worker's, the others the second's. */
const PARTITIONS = 8;
/** Where A to D live, in one sequence and another; the smallest of an order is its home. */
const SPREAD = [
  [0, 0, 3, 5],
  [6, 1, 1, 4],
  [2, 7, 0, 2],
];
/** A and B; C and D are the same two again. */
const TOGETHER = [[1, 1]];
/** Sequences that are played at once, each with SKUs of its own. */
const AT_ONCE = 12;
/** Clients that race each other, and how often the same race is run before it is believed to end well. */
const RACERS = 5;
const RACE_TRIES = 8;

let server: TestServer;
let ports: number[];
let sql: BooksSql;

beforeAll(async () => {
  server = await startServer({
    env: { HOLDFAST_WORKERS: '2', HOLDFAST_FRONTS: '2', HOLDFAST_PARTITIONS: String(PARTITIONS) },
  });
  ports = [server.port, server.port + 1];
  sql = openBooks(server);
});
afterAll(async () => {
  await sql.end();
  await server.stop();
});

let sequences = 0;
let tried = 0;

/** SKUs that no sequence has had, in the partitions of one of the layouts. */
function freshNames(layouts: number[][]): Names {
  const layout = layouts[sequences++ % layouts.length];
  const [a, b, c = a, d = b] = layout.map((partition, i) => {
    let name: string;
    do name = `${LETTERS[i]}${tried++}`;
    while (partitionOf(name, PARTITIONS) !== partition);
    return name;
  });
  return { A: a, B: b, C: c, D: d };
}

/**
 * Plays sequences until the time is over, several at once; what fails is shrunk, alone and with time of its own.
 * @param tries how often a shorter sequence is played before it is believed not to fail
 */
async function explore<Args extends [unknown, ...unknown[]]>(
  arbitraries: { [I in keyof Args]: fc.Arbitrary<Args[I]> },
  tries: number,
  play: (...args: Args) => Promise<void>,
): Promise<void> {
  const end = performance.now() + SECONDS * 1000;
  let shrunkAt = Infinity;
  let failing: number | undefined;
  const lane = async (number: number): Promise<void> => {
    const property = fc.asyncProperty(...arbitraries, async (...args) => {
      for (let again = failing === undefined ? 1 : tries; again > 0; again--) {
        if ((failing ?? number) !== number || performance.now() > shrunkAt) return;
        await play(...args).catch((error) => {
          failing ??= number;
          shrunkAt = Math.min(shrunkAt, performance.now() + SHRINK_MS);
          if (failing === number) throw error;
        });
      }
    });
    while (performance.now() < end && failing === undefined) await fc.assert(property, { numRuns: 1 });
  };
  await Promise.all(Array.from({ length: AT_ONCE }, (_, number) => lane(number)));
}

const RACING = ['stock', 'read', 'reserve', 'batch', 'cancel', 'confirm', 'extend', 'again'] as const;

test('one call after the other: every answer is the model’s', async () => {
  const commands = commandsOf(['putLevel', 'adjust', 'import', 'query', 'find', 'expire', ...RACING], 40);
  await explore([opening, commands], 1, async (first, then) => {
    const player = new Player(ports);
    const client = new Client(freshNames(SPREAD));
    const model = new Model();
    if (await player.playAlone([...first, ...then], client, model)) await readAll(player, client.skus, model);
  });
});

test('several at once, each within a partition: the answers are those of some order', async () => {
  const commands = commandsOf(['putLevel', 'putLevel', 'adjust', ...RACING], 6);
  const racers = fc.array(commands, { minLength: 2, maxLength: RACERS });
  await explore([opening, commandsOf(['reserve'], 4), racers], RACE_TRIES, async (first, held, racing) => {
    const player = new Player(ports);
    const client = new Client(freshNames(TOGETHER));
    const model = new Model();
    await player.playAlone([...first, ...held], client, model);
    const made: Made[] = [];
    await race(racing, async (command, number) => {
      const parts = await player.make(number, command.call(client));
      for (const { answer } of parts) client.hear(answer);
      made.push(...parts);
    });
    for (const call of readsOf(client.skus, client.reservations)) made.push(...(await player.make(0, call)));
    const [difference] = player.explain(model, made);
    if (difference !== undefined) throw player.failure(difference);
  });
});

test('several at once, over partitions: nothing is oversold, and what was answered adds up', async () => {
  const commands = commandsOf(['receive', 'query', ...RACING], 15);
  const racers = fc.array(commands, { minLength: 2, maxLength: RACERS });
  await explore([opening, racers], RACE_TRIES, async (first, racing) => {
    const player = new Player(ports);
    const names = freshNames(SPREAD);
    const model = new Model();
    if (!(await player.playAlone(first, new Client(names), model))) return;
    const clients = racing.map(() => ({ client: new Client(names), model: model.clone() }));
    await race(racing, async (command, number) => {
      const own = clients[number - 1];
      for (const { call, answer } of await player.make(number, command.call(own.client))) {
        own.client.hear(answer);
        const faults =
          call.believe?.(own.model, answer) ?? differences(call.expect(own.model, answer), answer);
        if (faults.length > 0) throw player.failure(`client ${number}, ${call.path}: ${faults.join('; ')}`);
      }
    });
    // Units that nobody was granted are given back by the time of the refusal, unless that took too long.
    if (player.sawLateAnswer) await Bun.sleep(QUIET_MS);
    const told = clients.map((own) => own.model);
    await readAll(player, clients[0].client.skus, merged(model, told));
  });
});

test('and the books balance', async () => {
  // What some of the counts found was less than what was promised.
  const faults = (await faultsOf(sql)).filter((fault) => !fault.includes('nothing is promised beyond'));
  expect(faults).toEqual([]);
});

/** @param run gets the number of the client, from 1 */
async function race(
  racing: Command[][],
  run: (command: Command, client: number) => Promise<void>,
): Promise<void> {
  await Promise.all(
    racing.map(async (commands, client) => {
      for (const command of commands) await run(command, client + 1);
    }),
  );
}

async function readAll(player: Player, skus: string[], model: Model): Promise<void> {
  for (const call of readsOf(skus, model.reservations.values())) await player.alone(call, model);
}

function readsOf(skus: string[], reservations: Iterable<{ id: string }>): Call[] {
  return [...skus.map(stock), ...[...reservations].map(read)];
}
