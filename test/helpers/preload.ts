/** Preloaded by bunfig.toml, so that its hooks run after each test, and once after the tests of every file. */
import { afterAll, afterEach } from 'bun:test';
import { checkEveryFetch, failOnFaults } from './conformance.ts';
import { killWhatIsLeft } from './server.ts';

checkEveryFetch();
afterEach(failOnFaults);
afterAll(killWhatIsLeft);
// What came after the last test, as in a hook.
afterAll(failOnFaults);
