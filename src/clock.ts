/**
 * The only place that reads time or sets timers. The core takes a Clock, so that tests and the
 * simulator decide what time it is.
 */
export interface Clock {
  /** Wall time, milliseconds since the Unix epoch. */
  now(): number;
  /** Calls `run` once after `ms` milliseconds; the returned function cancels it. */
  after(ms: number, run: () => void): () => void;
  /** Calls `run` once, after what this turn of the event loop has brought has been handled. */
  soon(run: () => void): void;
}

export const systemClock: Clock = {
  now: Date.now,
  after(ms, run) {
    const timer = setTimeout(run, ms);
    return () => clearTimeout(timer);
  },
  soon: setImmediate,
};

/**
 * Milliseconds since this process began, with fractions. For measuring how long something took, which
 * decides nothing: decisions are made by a Clock.
 */
export function elapsedMs(): number {
  return performance.now();
}

/** The promise's result; undefined where that takes longer. */
export async function resultWithin<T>(clock: Clock, ms: number, promise: Promise<T>): Promise<T | undefined> {
  let cancel = (): void => {};
  const passed = new Promise<undefined>((resolve) => {
    cancel = clock.after(ms, () => resolve(undefined));
  });
  try {
    return await Promise.race([promise, passed]);
  } finally {
    cancel();
  }
}
