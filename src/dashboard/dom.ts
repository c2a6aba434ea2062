/** Finding, making and filling elements. What is there already is changed in place, so that focus and selection stay. */

export function byId<T extends HTMLElement = HTMLElement>(id: string): T {
  const element = document.getElementById(id);
  if (element === null) throw new Error(`the page has no #${id}`);
  return element as T;
}

export function make<Tag extends keyof HTMLElementTagNameMap>(
  tag: Tag,
  properties: Partial<HTMLElementTagNameMap[Tag]> = {},
  ...children: (Node | string)[]
): HTMLElementTagNameMap[Tag] {
  const element = Object.assign(document.createElement(tag), properties);
  element.append(...children);
  return element;
}

/** Leaves an element alone that says so already: a screen reader repeats what is set again. */
export function say(element: Element, text: string): void {
  if (element.textContent !== text) element.textContent = text;
}

export function mark(element: HTMLElement, name: string, value: string | undefined): void {
  if (value === undefined) delete element.dataset[name];
  else if (element.dataset[name] !== value) element.dataset[name] = value;
}

export interface Cell {
  text: string;
  href?: string;
  level?: 'warning' | 'bad';
}

/** The rows of a table, whose head says which columns are numbers; and what stands there when there are none. */
export function fillTable(id: string, rows: (string | Cell)[][]): void {
  const table = byId<HTMLTableElement>(id);
  const [body] = table.tBodies;
  const heads = [...table.tHead!.rows[0].cells];
  while (body.rows.length > rows.length) body.deleteRow(-1);
  for (const [index, cells] of rows.entries()) {
    const row = body.rows[index] ?? newRow(body, heads);
    for (const [column, cell] of cells.entries()) fillCell(row.cells[column], cell);
  }
  const empty = table.parentElement!.querySelector<HTMLElement>(':scope > .empty');
  table.hidden = empty !== null && rows.length === 0;
  if (empty !== null) empty.hidden = rows.length > 0;
}

function newRow(body: HTMLTableSectionElement, heads: HTMLTableCellElement[]): HTMLTableRowElement {
  const row = body.insertRow();
  for (const { className } of heads) row.insertCell().className = className;
  return row;
}

function fillCell(element: HTMLTableCellElement, cell: string | Cell): void {
  const { text, href, level } = typeof cell === 'string' ? { text: cell } : (cell as Cell);
  mark(element, 'level', level);
  element.title = text;
  if (href === undefined) return say(element, text);
  let link = element.querySelector('a');
  if (link === null) {
    link = make('a');
    element.replaceChildren(link);
  }
  link.href = href;
  say(link, text);
}

/** Names and values; `level` where a value is not as it should be. */
export function fillList(
  id: string,
  entries: [name: string, value: string, more?: { unit?: string; level?: string }][],
): void {
  const list = byId(id);
  while (list.children.length < entries.length) list.append(make('div', {}, make('dt'), make('dd')));
  for (const [index, [name, value, { unit = '', level } = {}]] of entries.entries()) {
    const [term, description] = list.children[index].children as unknown as HTMLElement[];
    say(term, name);
    mark(description, 'level', level);
    if (description.textContent === value + unit) continue;
    description.replaceChildren(value, ...(unit === '' ? [] : [make('small', { textContent: unit })]));
  }
}
