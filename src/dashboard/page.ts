/** The page: what arrives goes where it belongs, and how the connection is stands at the top. */
import { Charts } from './charts.ts';
import { Connection, type State } from './connection.ts';
import { byId, mark, say } from './dom.ts';
import { duration, timeOfDay } from './format.ts';
import { HeatMap } from './heat-map.ts';
import type { Live } from './live.ts';
import { showOverview } from './overview.ts';
import { showPoints, showTables } from './tables.ts';

const POINTS_LISTED = 30;
/** How long it is said that the connection was lost, when it is back. */
const BACK_SHOWN_MS = 15_000;

const charts = new Charts();
const heatMap = new HeatMap();
const figures = byId<HTMLDetailsElement>('figures');
const keyForm = byId<HTMLFormElement>('key-form');
const keyInput = byId<HTMLInputElement>('key');
let back = { at: 0, lostMs: 0 };

const connection = new Connection({
  state: showState,
  history: ({ points }) => charts.remember(points),
  live: showLive,
});

function showLive(live: Live): void {
  say(byId('version'), live.version);
  showOverview(live);
  charts.show(live.point);
  heatMap.show(live.partitions);
  showTables(live);
  if (figures.open) showPoints(charts.latest(POINTS_LISTED));
}

function showState(state: State): void {
  mark(document.body, 'connection', state.kind);
  keyForm.hidden = state.kind !== 'key';
  byId('live').hidden = state.kind === 'key';
  if (state.kind === 'key') {
    say(byId('key-refused'), state.refused ? 'This key is not good for it.' : '');
    keyInput.focus();
  }
  if (state.kind === 'lost') document.title = '✕ Holdfast: connection lost';
  if (state.kind === 'live' && state.lostAt !== undefined)
    back = { at: Date.now(), lostMs: Date.now() - state.lostAt };
  say(byId('connection'), sentence(state));
}

function sentence(state: State): string {
  switch (state.kind) {
    case 'connecting':
      return 'Connecting …';
    case 'key':
      return 'Not connected';
    case 'lost':
      return `Connection lost at ${timeOfDay(state.since)}: ${state.reason}. Trying again …`;
    case 'live':
      return Date.now() - back.at < BACK_SHOWN_MS
        ? `Live: connected again after ${duration(back.lostMs)}`
        : 'Live';
  }
}

keyForm.addEventListener('submit', (event) => {
  event.preventDefault();
  void connection.start(keyInput.value);
  keyForm.reset();
});
figures.addEventListener('toggle', () => showPoints(charts.latest(POINTS_LISTED)));
void connection.start();
