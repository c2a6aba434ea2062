/**
 * What children's allocators are told: to keep for two seconds what has been freed, rather than to give each page back at once
 * and ask for it again. Under load all of it is used again; where page faults are dear, as in a virtual machine, giving it back took
 * a quarter of the throughput (docs/performance.md).
 *
 * Of Bun 1.4's mimalloc (https://microsoft.github.io/mimalloc/environment.html), and of its scavenger, which looks for free pages
 * within those that are in use whenever a thread waits for events. What the operator has set stays.
 */
export const CHILD_MEMORY: Readonly<Record<string, string>> = {
  MIMALLOC_PURGE_DELAY: '2000',
  MIMALLOC_PURGE_HOLES: '0',
};
