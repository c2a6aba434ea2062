/**
 * Room for a level's versions, so that its updates stay on its page (HOT), brought along by the row itself: it is inserted longer than
 * it is from its first change on. A low fillfactor leaves the same room, but is also the share of free space below which
 * whoever passes prunes the page (heap_page_prune_opt in Postgres' pruneheap.c): a page that was filled to it was
 * pruned for each update. Rows that are there already have their room by the fillfactor that they came under.
 */
export const sql = `
alter table stock_level
  set (fillfactor = 90),
  add column room text not null default repeat(' ', 40);
`;
