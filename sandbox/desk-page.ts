import type { Fault } from './faults.ts';
import {
  type Alert,
  type Block,
  type Patient,
  type Practitioner,
  type Room,
  type Schedule,
  type Site,
  type Visit,
  WEEKDAYS,
} from './records.ts';
import type { Store } from './store.ts';
import { addDays, instantOf, wallClock, weekdayIndex } from './zone.ts';

const PIXELS_PER_MINUTE = 1.3;
const MINUTE_MS = 60_000;
/** Hours shown when nobody works and nothing is booked. */
const QUIET_DAY = { from: 8 * 60, to: 17 * 60 };
/** More columns and cards than any screen shows. */
const MAX_ROWS = 1_000;

const BUTTONS: Record<Visit['state'], string[]> = {
  scheduled: ['confirm', 'check-in', 'cancel', 'no-show'],
  arrived: ['complete', 'cancel'],
  done: [],
  broken: ['restore'],
  noshow: ['restore'],
  deleted: ['restore'],
};

function escapeHtml(value: unknown): string {
  const entities: Record<string, string> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' };
  return String(value ?? '').replaceAll(/[&<>"']/g, (char) => entities[char] ?? char);
}

/** Hours with the name of what they are kept for. */
type OpenHours = Schedule & { label: string | null };

interface Day {
  site: Site;
  date: string;
  /** Minutes of the wall clock between which the page is drawn. */
  from: number;
  to: number;
}

function minuteOf(instant: string, zone: string, date: string): number {
  const wall = wallClock(new Date(instant), zone);
  return (wall.getTime() - Date.parse(`${date}T00:00:00Z`)) / MINUTE_MS;
}

function minuteOfTime(time: string): number {
  return Number(time.slice(0, 2)) * 60 + Number(time.slice(3));
}

function clockText(minute: number): string {
  const hour = Math.floor(minute / 60);
  return `${hour % 12 || 12}:${String(Math.floor(minute % 60)).padStart(2, '0')} ${hour < 12 ? 'am' : 'pm'}`;
}

function box(day: Day, fromMinute: number, toMinute: number): string {
  const from = Math.max(fromMinute, day.from);
  const to = Math.min(toMinute, day.to);
  const top = Math.round((from - day.from) * PIXELS_PER_MINUTE);
  return `top:${top}px;height:${Math.max(14, Math.round((to - from) * PIXELS_PER_MINUTE) - 2)}px`;
}

function visitCard(day: Day, visit: Visit, patient: Patient | null, alerts: string[], where: string): string {
  const from = minuteOf(visit.start, day.site.zone, day.date);
  const to = minuteOf(visit.end, day.site.zone, day.date);
  const name = patient ? `${patient.first_name} ${patient.last_name}` : `patient ${visit.patient_id}`;
  const tick = visit.confirmation === 'confirmed' ? ' <b title="confirmed">✓</b>' : '';
  const warning = alerts.length > 0 ? ` <b title="${escapeHtml(alerts.join(' '))}">⚠</b>` : '';
  const notes = alerts.map((note) => `<p class="alert">${escapeHtml(note)}</p>`).join('');
  const buttons = BUTTONS[visit.state]
    .filter((button) => button !== 'confirm' || visit.confirmation === 'none')
    .map((button) => `<button data-do="/desk/visits/${visit.id}/${button}">${button}</button>`)
    .join('');
  return `<details class="card ${visit.state}" style="${box(day, from, to)}">
<summary><b>${escapeHtml(name)}</b>${tick}${warning} <i>${escapeHtml(visit.visit_code)}</i><br>${clockText(from)}–${clockText(to)} ${escapeHtml(where)}</summary>
<div class="more"><p>Visit ${visit.id}: ${visit.state}</p>${notes}<p>${escapeHtml(patient?.phone_cell)}</p>
<p>${escapeHtml(visit.note)}</p><p class="ref">${escapeHtml(visit.external_ref)}</p>${buttons}</div></details>`;
}

function column(day: Day, title: string, open: OpenHours[], blocks: Block[], cards: string[]): string {
  const hours = open.map(({ opens, closes, label }) => {
    const style = box(day, minuteOfTime(opens), minuteOfTime(closes));
    return `<div class="open${label === null ? '' : ' kept'}" style="${style}">${escapeHtml(label)}</div>`;
  });
  const held = blocks.map((block) => {
    const from = minuteOf(block.start, day.site.zone, day.date);
    const to = minuteOf(block.end, day.site.zone, day.date);
    return `<div class="block" style="${box(day, from, to)}">${escapeHtml(block.reason ?? 'Blocked')}</div>`;
  });
  const height = Math.round((day.to - day.from) * PIXELS_PER_MINUTE);
  return `<section><h2>${escapeHtml(title)}</h2><div class="day" style="height:${height}px">${[...hours, ...held, ...cards].join('')}</div></section>`;
}

const STYLE = `
*{box-sizing:border-box}body{margin:0;font:13px/1.35 system-ui,sans-serif;color:#23302c;background:#f3f1ea}
header{display:flex;gap:1.2em;align-items:baseline;flex-wrap:wrap;padding:14px 20px;background:#28473c;color:#f6f3e8}
h1{font:600 19px Georgia,serif;margin:0}header a{color:#cfe3d3;text-decoration:none}header a.here{color:#fff;border-bottom:2px solid #e3b23c}
.fault{background:#8c2f1b;color:#fff;padding:6px 20px}main{display:flex;gap:10px;padding:14px 20px;overflow-x:auto}
section{flex:1;min-width:150px}h2{font-size:13px;margin:0 0 6px;text-align:center}
.day{position:relative;background:#e4e0d3;border-radius:6px}.hours{width:58px;flex:none;min-width:0}.hours .day{background:none}
.hours span{position:absolute;right:4px;transform:translateY(-50%);color:#7a7f74;font-size:11px;white-space:nowrap}
.open,.block,.card{position:absolute;left:0;right:0;border-radius:4px}.open{background:#fffdf7}
.kept{background:#eef3fb;color:#4a5f80;padding:3px 6px}.alert{color:#8c2f1b;font-weight:600}
.block{left:4px;right:4px;padding:3px 6px;color:#5c5545;font-size:12px;background:repeating-linear-gradient(45deg,#d9d2bd 0 6px,#cfc7af 6px 12px)}
.card{left:4px;right:4px;background:#dcebe2;border-left:4px solid #3c8262;font-size:12px}.card summary{list-style:none;cursor:pointer;padding:2px 6px;height:100%;overflow:hidden}
.card[open]{height:auto!important;z-index:2;box-shadow:0 4px 18px #0004}.more{padding:2px 8px 8px}.more p{margin:2px 0}.ref{color:#777;font-size:11px;overflow-wrap:anywhere}
.arrived{background:#fbe9b7;border-color:#d19a17}.done{background:#e4e7ea;border-color:#8a949c}
.broken,.noshow,.deleted{background:#f2dcd5;border-color:#b0503a;opacity:.75;left:45%}.broken b,.noshow b,.deleted b{text-decoration:line-through}
button{margin:3px 4px 0 0;border:1px solid #28473c;background:#fff;border-radius:4px;padding:2px 7px;cursor:pointer}
footer{padding:0 20px 20px;color:#7a7f74}`;

/** Reloads when the feed has moved and nobody is reading a card. */
const SCRIPT = `
document.addEventListener('click',async(event)=>{const path=event.target.dataset?.do;if(!path)return;
const answer=await fetch(path,{method:'POST'});if(!answer.ok)alert((await answer.json()).message);location.reload()});
setInterval(async()=>{if(document.querySelector('details[open]'))return;
const {revision}=await(await fetch('/health')).json();if(revision!==+document.body.dataset.revision)location.reload()},2000);`;

/** The front desk's day as a page. `site` and `date` of the query choose the sheet; nonsense shows today. */
export function deskPage(store: Store, query: URLSearchParams, faults: Fault[]): string {
  const all = <T>(table: string, filters = {}) => store.page<T>(table, filters, 0, MAX_ROWS).items;
  const sites = all<Site>('sites');
  const site = sites.find((one) => String(one.id) === query.get('site')) ?? sites[0];
  if (!site) return '<!doctype html><title>Front desk</title><p>This practice is empty.</p>';
  const wanted = query.get('date') ?? '';
  const isDate = /^\d{4}-\d\d-\d\d$/.test(wanted) && !Number.isNaN(Date.parse(wanted));
  const date = isDate ? wanted : wallClock(store.now(), site.zone).toISOString().slice(0, 10);
  const begin = instantOf(date, '00:00', site.zone).toISOString();
  const end = instantOf(addDays(date, 1), '00:00', site.zone).toISOString();
  const held = <T>(table: string) =>
    store
      .rows(
        `SELECT id FROM ${table} WHERE site_id = ? AND start < ? AND "end" > ? LIMIT ${MAX_ROWS}`,
        site.id,
        end,
        begin,
      )
      .map((row) => store.get(table === 'visits' ? 'visit' : 'block', Number(row.id)) as T);
  const visits = held<Visit>('visits');
  const blocks = held<Block>('blocks');
  const weekday = WEEKDAYS[weekdayIndex(date)];
  const open = all<Schedule>('schedules', { site_id: site.id })
    .filter((row) => row.active && (row.date === date || row.weekday === weekday))
    .map((row) => ({ ...row, label: row.label_id === null ? null : store.get('schedule_label', row.label_id).name }));

  const edges = [
    ...open.flatMap((row) => [minuteOfTime(row.opens), minuteOfTime(row.closes)]),
    ...visits.flatMap((visit) => [minuteOf(visit.start, site.zone, date), minuteOf(visit.end, site.zone, date)]),
  ];
  if (edges.length === 0) edges.push(QUIET_DAY.from, QUIET_DAY.to);
  const from = Math.max(0, Math.floor(Math.min(...edges) / 60) * 60);
  const day: Day = { site, date, from, to: Math.min(1440, Math.ceil(Math.max(...edges) / 60) * 60) };

  const rooms = all<Room>('rooms', { site_id: site.id });
  const practitioners = all<Practitioner>('practitioners').filter((one) => one.site_ids.includes(site.id));
  const roomName = new Map(rooms.map((room) => [room.id, room.name]));
  const personName = new Map(practitioners.map((one) => [one.id, `${one.first_name} ${one.last_name}`]));
  const owner = site.schedules_by === 'room' ? 'room_id' : 'practitioner_id';
  const titles = owner === 'room_id' ? roomName : personName;
  const closed = new Set(rooms.filter((room) => !room.active).map((room) => room.id));
  const columns = [...titles]
    .filter(([id]) => owner !== 'room_id' || !closed.has(id))
    .map(([id, title]) => {
      const cards = visits
        .filter((visit) => visit[owner] === id)
        .map((visit) => {
          const where = owner === 'room_id' ? personName.get(visit.practitioner_id) : roomName.get(visit.room_id ?? 0);
          const alerts = all<Alert>('alerts', { patient_id: visit.patient_id }).filter((one) => one.off_since === null);
          const notes = alerts.map(({ note }) => note);
          return visitCard(day, visit, store.find('patient', visit.patient_id), notes, where ?? '');
        });
      const isOwn = (row: Schedule | Block) => row[owner] === id;
      return column(day, title, open.filter(isOwn), blocks.filter(isOwn), cards);
    });

  const marks: string[] = [];
  for (let minute = day.from; minute <= day.to; minute += 60) {
    const top = Math.round((minute - day.from) * PIXELS_PER_MINUTE);
    marks.push(`<span style="top:${top}px">${clockText(minute)}</span>`);
  }
  const link = (siteId: number, linkDate: string) => `/desk?site=${siteId}&amp;date=${linkDate}`;
  const tabs = sites.map((one) => {
    return `<a href="${link(one.id, date)}" class="${one.id === site.id ? 'here' : ''}">${escapeHtml(one.name)}</a>`;
  });
  const warning =
    faults.length > 0
      ? `<div class="fault">Faults: ${escapeHtml(faults.map((one) => one.fault).join(', '))}</div>`
      : '';
  const dateText = new Date(`${date}T00:00Z`).toLocaleDateString('en-US', { dateStyle: 'full', timeZone: 'UTC' });
  return `<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>${escapeHtml(site.name)} · front desk</title><style>${STYLE}</style>
<body data-revision="${store.head()}"><header><h1>${escapeHtml(dateText)}</h1>
<a href="${link(site.id, addDays(date, -1))}">‹ day before</a><a href="/desk?site=${site.id}">today</a>
<a href="${link(site.id, addDays(date, 1))}">day after ›</a>${tabs.join('')}</header>${warning}
<main><section class="hours"><h2>&nbsp;</h2><div class="day">${marks.join('')}</div></section>${columns.join('')}</main>
<footer>A pretend practice: nobody here is real. ${escapeHtml(site.zone)}, revision ${store.head()}.</footer>
<script>${SCRIPT}</script></body></html>`;
}
