/** One item after the other, whatever pages they come on. The next page is asked for when it is needed. */
import type { Caller } from './caller.ts';
import type { CallOptions, PageOptions } from './types.ts';

interface Page<Item> {
  items: Item[];
  nextCursor?: string;
}

export async function* itemsOf<Item>(
  caller: Caller,
  path: string,
  filters: Record<string, string | undefined>,
  { pageSize, ...options }: PageOptions,
): AsyncGenerator<Item, void, undefined> {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(filters)) if (value !== undefined) query.set(name, value);
  if (pageSize !== undefined) query.set('limit', String(pageSize));
  for (;;) {
    const page: Page<Item> = await caller.json(
      { method: 'GET', path: `${path}?${query}` },
      options satisfies CallOptions,
    );
    yield* page.items;
    if (page.nextCursor === undefined) return;
    query.set('cursor', page.nextCursor);
  }
}
