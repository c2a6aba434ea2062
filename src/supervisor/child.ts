/**
 * The child's side: what a worker, a front or a migration does in a process of its own.
 *
 * Only the supervisor decides when a child ends. Signals are ignored (a Ctrl-C reaches every process
 * of a terminal), `drain` ends it politely, and when the channel breaks the supervisor is gone: the
 * child finishes what it has, briefly, and ends itself.
 */
import { systemClock } from '../clock.ts';
import { readSettings } from '../config.ts';
import { exportTraces } from '../observability/export-traces.ts';
import { identify, log, showUpTo } from '../observability/log.ts';
import { reportMetrics } from '../observability/metrics.ts';
import { watchProcess } from '../observability/process-metrics.ts';
import type { FromChild, Running, Superior, ToChild } from '../process.ts';
import { Channel } from './superior.ts';

/** How long a child whose supervisor is gone may take to finish what it has. */
const ABANDONED_DRAIN_MS = 1000;
const DEFECTS = [TypeError, ReferenceError, RangeError, SyntaxError];

export async function runChild<Spec>(
  start: (spec: Spec, superior: Superior) => Promise<Running>,
): Promise<void> {
  const name = process.argv.slice(2, 4).join(' ');
  introduce(name);
  watchProcess();
  ignoreSignals();
  const started = Promise.withResolvers<Running>();
  let sendTraces = async (): Promise<void> => {};
  const end = async (): Promise<void> => {
    await (await started.promise).drain();
    await sendTraces();
    process.exit(0);
  };
  const channel = new Channel(name);
  const { say } = channel;
  let draining = false;
  process.on('message', (message: ToChild) => {
    switch (message.type) {
      case 'drain':
        if (draining) return;
        draining = true;
        return void end();
      case 'report':
        return say({ type: 'metrics', families: reportMetrics() });
      case 'ping':
        return say({ type: 'pong' });
      default:
        if (!channel.answered(message)) void started.promise.then((running) => running.hear(message));
    }
  });
  process.on('disconnect', () => {
    log.warn('supervisor.gone', {});
    systemClock.after(ABANDONED_DRAIN_MS, () => process.exit(0));
    void end();
  });
  try {
    sendTraces = await exportTraces(name, process.env);
    started.resolve(await start(readSpec(), channel));
    say({ type: 'ready' });
  } catch (error) {
    await sayFatal(error);
  }
}

/** Like runChild, for work that ends by itself. */
export async function runTask<Spec>(run: (spec: Spec) => Promise<void>): Promise<void> {
  introduce(process.argv[2]);
  ignoreSignals();
  process.on('disconnect', () => process.exit(1));
  try {
    await run(readSpec());
    process.exit(0);
  } catch (error) {
    await sayFatal(error);
  }
}

function introduce(name: string): void {
  identify(name);
  showUpTo(readSettings(process.env).logLevel);
}

function ignoreSignals(): void {
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => {});
}

function readSpec<Spec>(): Spec {
  const text = process.env.HOLDFAST_SPEC;
  if (text === undefined) throw new Error(`${process.argv[2]} is started by the supervisor, not by hand`);
  return JSON.parse(text);
}

async function sayFatal(error: unknown): Promise<never> {
  // A refusal explains itself in one line; of a defect, the people who run it want the place too.
  if (DEFECTS.some((kind) => error instanceof kind)) log.error('start.failed', { error });
  const text = error instanceof Error ? error.message : String(error);
  const message = text.split('\n')[0];
  if (process.send === undefined) console.error(`holdfast: ${message}`);
  else
    await new Promise((sent) =>
      process.send!({ type: 'fatal', message } satisfies FromChild, undefined, undefined, sent),
    );
  process.exit(1);
}
