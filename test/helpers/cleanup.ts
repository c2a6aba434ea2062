/** Preloaded by bunfig.toml, so that its hook runs once, after the tests of every file. */
import { afterAll } from 'bun:test';
import { killWhatIsLeft } from './server.ts';

afterAll(killWhatIsLeft);
