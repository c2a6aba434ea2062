/**
 * The client of a running Holdfast, for anything that has fetch.
 *
 * A call resolves with what the server has committed, or throws: a ProblemError where the server refused it, with a
 * `code` to look at; a NoAnswerError where it could not be reached, after several tries with one Idempotency-Key.
 */
import { Caller, type Connection } from './caller.ts';
import { Reservations } from './reservations.ts';
import { Stock } from './stock.ts';

export class Holdfast {
  readonly stock: Stock;
  readonly reservations: Reservations;

  /** @param connection where the server is, and the API key to show it, if it asks for one */
  constructor(connection: Connection) {
    const caller = new Caller(connection);
    this.stock = new Stock(caller);
    this.reservations = new Reservations(caller);
  }
}
