/**
 * One run from one seed: clients and faults for a while; then everything is healed, all must come to rest, and the books
 * must be right to the unit. What is real, what is simulated, and all faults: docs/reliability.md.
 *
 * Who checks what: I1 no oversell, I3 the books, I4 one writer: books.ts, at each commit. I2 acknowledged is durable:
 * answers.ts and stock-answers.ts, at each answer. I5 once: books.ts for keys and effects, client.ts for answers that are repeated.
 * I6 all or nothing: books.ts for what partitions do, answers.ts for what callers find, rest.ts for what is left. I8: that
 * what is refused has no effect (answers.ts). I3 in memory, and service that comes back: rest.ts. Linearizability per SKU:
 * linearizability.ts. Not here: I7, since only a real Postgres counts its statements.
 */
import { log } from '../../src/observability/log.ts';
import { MemoryDatabase } from '../helpers/memory-database.ts';
import { Answers } from './answers.ts';
import { Books } from './books.ts';
import { Client } from './client.ts';
import { Faults } from './faults.ts';
import { Network } from './network.ts';
import { Postgres } from './postgres.ts';
import { Rest } from './rest.ts';
import type { Site } from './server.ts';
import { Customer, type Shop } from './workload.ts';
import { World } from './world.ts';

/** How long clients and faults go on. */
const LOAD_MS = { from: 20_000, to: 240_000 };

export interface Outcome {
  seed: number;
  /** What is broken; undefined where all is well. */
  violation: string | undefined;
  /** Of everything that happened: equal for equal runs. */
  digest: string;
  lastLines: string[];
  simulatedMs: number;
  loadMs: number;
  events: number;
  commits: number;
  requests: number;
  unanswered: number;
  answers: Record<string, number>;
  checked: number;
  stale: number;
  faults: Record<string, number>;
}

/** @param database a planted bug may put another in its place */
export async function simulate(seed: number, database = new MemoryDatabase()): Promise<Outcome> {
  const world = new World(seed);
  const heard = hear(world);
  try {
    return await run(world, database);
  } finally {
    heard();
  }
}

async function run(world: World, database: MemoryDatabase): Promise<Outcome> {
  const plan = world.random.fork('plan');
  const books = new Books(world);
  const postgres = new Postgres(world, database, books);
  const network = new Network(world);
  const site: Site = { world, network, postgres, books };
  const partitions = plan.pick([1, 2, 5, 8, 16]);
  const faults = new Faults(site, partitions);
  const answers = new Answers(world, books);
  const counts = { requests: 0, unanswered: 0, answers: {} };
  const fronts = () => faults.liveServers.flatMap((server) => server.liveFronts);
  const shop: Shop = {
    skus: Array.from({ length: plan.between(1, 12) }, (_, i) => `SKU-${i}`),
    locations: ['berlin', 'leipzig', 'ulm'].slice(0, plan.between(1, 3)),
    pauseMs: plan.magnitude(10, 1000),
    linesMost: plan.between(1, 6),
    onHandMost: plan.pick([3, 10, 40]),
    keyed: plan.pick([0, 0.5, 0.9, 1]),
  };
  const clients = Array.from({ length: plan.between(2, 12) }, (_, i) => {
    const name = `client${i}`;
    return new Client(world, name, world.random.fork(name), answers, books, fronts, counts);
  });
  const loadMs = Math.round(plan.magnitude(LOAD_MS.from, LOAD_MS.to));
  const rest = new Rest(site, database, faults, clients, shop);

  const day = async (): Promise<void> => {
    let isOver = false;
    const customers = clients.map((client) => new Customer(world, client, shop));
    await customers[0].open();
    faults.start();
    const working = customers.map((customer) => customer.work(() => isOver));
    const ended = Promise.all(working);
    await Promise.race([world.sleep(loadMs), ended]);
    isOver = true;
    faults.heal();
    await rest.come(ended);
  };
  let isOver = false;
  day().then(
    () => {
      isOver = true;
    },
    (error) =>
      world.fail(
        (error as Error).name === 'Error' ? (error as Error).message : String((error as Error).stack),
      ),
  );
  await world.run(() => isOver);
  return {
    seed: world.seed,
    violation: world.violation,
    lastLines: world.lastLines(200),
    digest: world.digest(),
    simulatedMs: world.now / 1000,
    loadMs,
    events: world.events,
    commits: postgres.commits,
    ...counts,
    checked: answers.checked,
    stale: answers.order.stale,
    faults: faults.counts,
  };
}

/** What the code logs belongs to the trace; an error is one. @returns what ends it */
function hear(world: World): () => void {
  const original = { ...log };
  log.info = (event, fields) => world.note('log', `${event} ${JSON.stringify(fields)}`);
  log.warn = log.info;
  log.error = (event, fields) => world.fail(`log: ${event} ${JSON.stringify(fields)}`);
  return () => Object.assign(log, original);
}
