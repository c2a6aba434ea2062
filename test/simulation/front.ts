/** A front: the routes of the real one, over simulated links. HTTP is a request that arrives, and an answer that comes or doesn't. */
import { Backends } from '../../src/front/backends.ts';
import { Bodies } from '../../src/front/body.ts';
import { Deadlines } from '../../src/front/deadlines.ts';
import { Gate } from '../../src/front/gate.ts';
import { routes } from '../../src/front/routes.ts';
import { BATCH_LINES_IN_FLIGHT_MAX, BULK_CALLS_MAX, KEY_WAITS_MAX } from '../../src/limits.ts';
import { ReservationIds } from '../../src/reservations/id.ts';
import type { PartitionMap } from '../../src/routing/partition-map.ts';
import { wireOver } from '../../src/wire/link.ts';
import type { WorkerStatus } from '../../src/wire/messages.ts';
import type { Answer } from './calls.ts';
import type { Network } from './network.ts';
import type { Process } from './process.ts';

const TRAVEL_US = { from: 30, to: 3000 };
const STATUS_WAIT_MS = 1000;

export class Front {
  private readonly app: ReturnType<typeof routes>;
  private readonly backends: Backends;
  private readonly unanswered = new Set<() => void>();

  constructor(
    readonly process: Process,
    network: Network,
    map: PartitionMap,
  ) {
    const { clock, world } = process;
    const deadlines = new Deadlines(clock);
    const random = world.random.fork(`${process.name} ids`);
    const pauses = world.random.fork(`${process.name} pauses`);
    this.backends = new Backends(map, deadlines, clock, wireOver(network.of(process), clock).connect);
    this.app = routes({
      access: { isKnown: true, admit: () => undefined },
      backends: this.backends,
      bodies: new Bodies(deadlines, clock),
      clock,
      deadlines,
      ids: new ReservationIds((bytes) => random.fill(bytes)),
      bulkCalls: new Gate(BULK_CALLS_MAX),
      batchLines: new Gate(BATCH_LINES_IN_FLIGHT_MAX),
      keyWaits: new Gate(KEY_WAITS_MAX),
      random: () => pauses.unit(),
      draining: new AbortController().signal,
      leaving: new AbortController().signal,
      move: async () => undefined,
      gather: async () => [],
    });
    process.onDeath(() => {
      for (const lose of this.unanswered) lose();
    });
  }

  /** @returns undefined when the front dies, or has died */
  ask(request: Request): Promise<Answer | undefined> {
    const { process } = this;
    const { world } = process;
    const travel = (run: () => void): void => {
      world.after(world.random.magnitude(TRAVEL_US.from, TRAVEL_US.to), run);
    };
    return new Promise((resolve) => {
      const lose = (): void => travel(() => resolve(undefined));
      travel(() => {
        if (!process.alive) return lose();
        this.unanswered.add(lose);
        process.deliver(async () => {
          const response = await this.app.handle(request);
          const body = await response.text();
          if (!process.acts()) return;
          this.unanswered.delete(lose);
          const replayed = response.headers.get('idempotency-replayed') === 'true';
          const aged = response.headers.has('age');
          travel(() => resolve({ status: response.status, body, replayed, aged }));
        });
      });
    });
  }

  adopt(map: PartitionMap): void {
    this.process.deliver(() => this.backends.adopt(map));
  }

  statuses(): Promise<(WorkerStatus | undefined)[]> {
    return this.backends.statuses(STATUS_WAIT_MS);
  }
}
