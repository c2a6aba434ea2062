/**
 * The rival that has no database: Redis, and a Lua script that checks and takes in one go. Whether a yes is
 * durable is up to Redis' `appendfsync`. By Bun's own client, which pipelines what is sent in one turn.
 */
import { RedisClient } from 'bun';
import { serviceSpec } from '../service.ts';
import { type Store, serveRival } from './app.ts';

/** KEYS: the reservation, then the level of each line. ARGV: the reservation's text, then the lines' quantities. */
const HOLD = `
  for i = 2, #KEYS do
    local level = redis.call('HMGET', KEYS[i], 'on_hand', 'reserved', 'safety_stock', 'backorder_limit')
    if not level[1] or level[1] - level[2] - level[3] + level[4] < tonumber(ARGV[i]) then return 0 end
  end
  for i = 2, #KEYS do redis.call('HINCRBY', KEYS[i], 'reserved', ARGV[i]) end
  redis.call('SET', KEYS[1], ARGV[1])
  return 1`;

const url = serviceSpec<string>();

serveRival(async (): Promise<Store> => {
  const redis = new RedisClient(url);
  const script = await redis.send('SCRIPT', ['LOAD', HOLD]);
  return {
    async hold({ id, ...wish }) {
      const levels = wish.lines.map(({ sku, allocations: [{ location }] }) => `level:${sku}:${location}`);
      const quantities = wish.lines.map(({ quantity }) => String(quantity));
      const keys = [`reservation:${id}`, ...levels];
      const text = JSON.stringify({ status: 'held', ...wish });
      return (await redis.send('EVALSHA', [script, String(keys.length), ...keys, text, ...quantities])) === 1;
    },
    async end() {
      redis.close();
    },
  };
});
