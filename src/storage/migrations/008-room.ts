/**
 * Room for a level's versions, brought along by the row: it is inserted longer than it is from its first change on.
 *
 * fillfactor, too, leaves room, so that updates stay on their page (HOT). But it is also the share of free space below which
 * whoever passes prunes the page (heap_page_prune_opt in Postgres' pruneheap.c), so that a page that was filled to it was pruned
 * for each update. Where the rows of a page have given up what they brought, it is pruned after many.
 */
export const sql = `
alter table stock_level add column room text not null default repeat(' ', 40);
`;
