/** Hostile values in every parameter of every route: refused in the envelope, never a 5xx, and nothing written. */
import assert from 'node:assert/strict';
import { after, before, suite, test } from 'node:test';
import type { Route } from '../../src/api/route.ts';
import { routes } from '../../src/api/routes.ts';
import { type Api, type ApiAnswer, startApi } from '../harness/api.ts';
import { watchContents } from '../harness/contents.ts';
import { findSample, nameOf, pathOf, type Sample } from '../harness/requests.ts';
import { createWorld, type World } from '../harness/world.ts';

const open = routes.filter((route) => route.access !== 'admin');

/** What no text, number, date or list of ours can be: each is refused wherever it stands. */
const NEVER_VALID = ['\0', 'a\0b', '\ud800', 'x\udfff'];

/** Wrong for most parameters. Some may take one of them; none may fall over. */
const HOSTILE = [
  'x'.repeat(3_000),
  '',
  ' ',
  '-1',
  '0',
  '1.5',
  '1e3',
  '１',
  '9223372036854775808',
  '2026-02-30',
  '+010000-01-01',
  '99999-01-01T00:00:00Z',
  'infinity',
  "'; drop table patient; --",
  '%_\\',
];
const HOSTILE_JSON = [null, true, -1, 1.5, 1e308, 2 ** 53, [], {}, [[]], [{}], [null], { a: { b: [] } }];

suite('bad input', () => {
  let api: Api;
  let world: World;

  before(async () => {
    api = await startApi();
    world = await createWorld(api.db, api.practice, api.apiUserId);
  });
  after(() => api.close());

  const sampleOf = (route: Route): Sample => findSample(route)?.(world.ids, world) ?? {};

  function checkRefusal(answer: ApiAnswer, about: string): void {
    assert.ok(answer.status < 500, `${about}: ${answer.status} ${answer.text}`);
    if (answer.status < 400) return;
    assert.equal(answer.body.code, false, about);
    assert.deepEqual(Object.keys(answer.body), ['code', 'description', 'error', 'data', 'count'], about);
    assert.ok(
      answer.body.error.length > 0 && answer.body.error.every((one: unknown) => typeof one === 'string'),
      about,
    );
    assert.ok(answer.headers.get('openchair-error-code'), about);
    // Nothing of what was sent comes back: it may be a patient's.
    assert.ok(answer.text.length < 6_000 && !answer.text.includes('drop table'), `${about}: ${answer.text}`);
  }

  test('in the query and the path of every route', async () => {
    for (const route of open) {
      const sample = sampleOf(route);
      const names = Object.keys(route.params.shape).filter((name) => !(route.body ?? []).includes(name));
      const requests = [];
      for (const name of route === open[1] ? [...names, 'subdomain', 'unheard_of'] : names) {
        for (const value of ['a\0b', ...HOSTILE]) {
          for (const spelling of [name, `${name}[]`, `${name}[a][b]`]) {
            if (spelling !== name && !['', '-1'].includes(value)) continue;
            const changed =
              sample.path && name in sample.path
                ? { ...sample, path: { ...sample.path, [name]: encodeURIComponent(value) } }
                : { ...sample, query: { ...sample.query, [spelling]: value } };
            requests.push({ changed, about: `${nameOf(route)} ${spelling}=${JSON.stringify(value.slice(0, 30))}` });
          }
        }
      }
      // Reading changes nothing, so those requests may overlap.
      const gap = route.method === 'GET' ? 8 : 1;
      for (let at = 0; at < requests.length; at += gap) {
        await Promise.all(
          requests.slice(at, at + gap).map(async ({ changed, about }) => {
            const path = pathOf(route, changed, world.subdomain);
            const answer = await api.request(route.method, path, { body: route.method === 'GET' ? undefined : {} });
            checkRefusal(answer, about);
            if (about.includes('\\u0000')) assert.ok(answer.status >= 400, `${about}: ${answer.status}`);
          }),
        );
      }
    }
  });

  test('in the body of every route that takes one', async () => {
    const contents = await watchContents(api.db);
    for (const route of open.filter((one) => one.body)) {
      const sample = sampleOf(route);
      const path = pathOf(route, sample, world.subdomain);
      for (const place of placesIn(sample.body ?? {})) {
        for (const value of [...NEVER_VALID, ...HOSTILE, ...HOSTILE_JSON]) {
          const body = withValueAt(sample.body ?? {}, place, value);
          const answer = await api.request(route.method, path, { body });
          const about = `${nameOf(route)} ${place.join('.')} = ${JSON.stringify(value).slice(0, 40)}`;
          checkRefusal(answer, about);
          if (NEVER_VALID.includes(value as string)) assert.equal(answer.status, 400, about);
          const changed = await contents.hasChanged();
          if (answer.status >= 400) assert.ok(!changed, `${about} was refused, and wrote`);
        }
      }
    }
  });

  test('with each required parameter left out', async () => {
    for (const route of open.filter((one) => one.body)) {
      const sample = sampleOf(route);
      const path = pathOf(route, sample, world.subdomain);
      const required = (route.body ?? []).filter((name) => !route.params.shape[name]?.safeParse(undefined).success);
      for (const name of required) {
        const { [name]: _left, ...rest } = sample.body ?? {};
        const answer = await api.request(route.method, path, { body: rest });
        checkRefusal(answer, `${nameOf(route)} without ${name}`);
        assert.deepEqual(answer.body.error, [`Missing parameter ${name}`], nameOf(route));
      }
    }
  });

  test('as a body that is no object, too deep, too large or of an unknown type', async () => {
    const deep = `${'{"a":'.repeat(100_000)}1${'}'.repeat(100_000)}`;
    const bodies: [string, string, number][] = [
      ['application/json', deep, 400],
      ['application/json', '['.repeat(100_000), 400],
      ['application/json', '[]', 400],
      ['application/json', '"text"', 400],
      ['application/json', 'null', 400],
      ['application/json', '{"a":', 400],
      ['application/json', '{"a":1}{"b":2}', 400],
      ['application/json', '{"a":NaN}', 400],
      ['application/json', `{"a":"${'x'.repeat(1_000_000)}"}`, 413],
      ['application/x-www-form-urlencoded', 'a=1&'.repeat(2_000), 400],
      ['application/xml', '<appt/>', 415],
      ['multipart/form-data; boundary=x', '--x--', 415],
    ];
    const contents = await watchContents(api.db);
    for (const route of open.filter((one) => one.body)) {
      const path = pathOf(route, sampleOf(route), world.subdomain);
      await contents.hasChanged();
      for (const [type, body, status] of bodies) {
        const answer = await api.request(route.method, path, { body, headers: { 'content-type': type } });
        const about = `${nameOf(route)} ${type} ${body.slice(0, 20)}`;
        assert.equal(answer.status, status, `${about}: ${answer.text.slice(0, 300)}`);
        checkRefusal(answer, about);
      }
      assert.ok(!(await contents.hasChanged()), nameOf(route));
    }
  });

  test('with names that reach into the prototype', async () => {
    const path = pathOf(routeNamed('POST /appointment_types'), {}, world.subdomain);
    const body =
      '{"__proto__":{"minutes":5},"constructor":{"prototype":{}},"appointment_type":{"__proto__":{"name":"x"}}}';
    const answer = await api.post(path, { body });
    assert.deepEqual(answer.body.error, [
      'Missing parameter appointment_type[name]',
      'Missing parameter appointment_type[minutes]',
    ]);
    assert.equal(({} as { minutes?: number }).minutes, undefined);
  });

  test('in the bytes of the path', async () => {
    for (const path of [
      '/patients/%00',
      '/patients/%zz',
      '/patients/%c0%af',
      '/patients/1%2f..%2f2',
      `/${'x'.repeat(9_000)}`,
    ]) {
      const answer = await api.get(`${path}?subdomain=oak`);
      assert.ok([400, 404, 414].includes(answer.status), `${path.slice(0, 30)}: ${answer.status} ${answer.text}`);
      checkRefusal(answer, path.slice(0, 30));
    }
  });

  test('as more fields in the query than any client means', async () => {
    const answer = await api.get(`/providers?subdomain=oak&${'x=1&'.repeat(1_500)}`);
    assert.deepEqual([answer.status, answer.headers.get('openchair-error-code')], [400, 'malformed_body']);
  });

  test('without a word of it in the log', () => {
    const logged = api.logLines.join('');
    for (const secret of ['Noa', 'noa@example.com', '2125550177', 'Pia', '1990-02-28', api.key]) {
      assert.ok(!logged.includes(secret), `the log names ${secret}`);
    }
  });
});

const routeNamed = (name: string) => routes.find((route) => nameOf(route) === name) as Route;

/** Every place inside a body, the inner ones and the whole of each field. */
function placesIn(value: object, at: string[] = []): string[][] {
  return Object.entries(value).flatMap(([key, inner]) => {
    const here = [...at, key];
    return typeof inner === 'object' && inner !== null && !Array.isArray(inner)
      ? [here, ...placesIn(inner, here)]
      : [here];
  });
}

function withValueAt(body: object, [key, ...rest]: string[], value: unknown): Record<string, unknown> {
  const inner = (body as Record<string, object>)[key as string] ?? {};
  return { ...body, [key as string]: rest.length === 0 ? value : withValueAt(inner, rest, value) };
}
