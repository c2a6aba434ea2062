/** `holdfast tour`: a shop's day in a running server; see examples/tour.ts. */
import type { TourOptions } from '../../examples/tour.ts';
import { HoldfastError } from '../client/errors.ts';
import { type Define, notes, Refusal } from './command.ts';
import { type ServerOptions, serverOf, takesServer } from './server.ts';
import { number } from './values.ts';

const ORDERS = 10_000;

export const define: Define = (command, ending) => {
  takesServer(command)
    .option('--concurrency <n>', 'requests in flight at once', number({ min: 1, max: 4096 }), 64)
    .option('--orders <n>', 'how many of the orders', number({ min: 1, max: ORDERS }), ORDERS)
    .action(
      ending(async (options: TourOptions & ServerOptions) => {
        const { NoServer } = await import('../../examples/shop-client.ts');
        const { tour } = await import('../../examples/tour.ts');
        return tour({ ...options, ...serverOf(options) }).catch((error) => {
          throw error instanceof NoServer || error instanceof HoldfastError
            ? new Refusal(error.message)
            : error;
        });
      }),
    );
  notes(command, {
    examples: [
      ['holdfast tour', 'against the server on this machine'],
      ['holdfast tour --orders 500', 'a short one'],
    ],
    codes: {
      0: 'no unit was promised twice',
      1: 'one was, the books do not balance, or an order failed',
    },
  });
};
