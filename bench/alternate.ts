/** What experiments share with comparisons: alternating. */

/** Runs each of these in turn, so many times. @returns what each of them gave, in rounds */
export async function alternate<T>(rounds: number, steps: (() => Promise<T>)[]): Promise<T[][]> {
  const given: T[][] = steps.map(() => []);
  for (let round = 0; round < rounds; round++) {
    for (const [index, step] of steps.entries()) given[index].push(await step());
  }
  return given;
}
