/**
 * What every kind of connector promises (`src/connectors/connector.ts`), tried against a running HRS with faults in
 * between. Written against the contract only: a kind brings a `Bench`, and calls `conformance` in a test file of
 * its own. A fault that its transport cannot have is named in `impossible`, with the reason.
 */
import { after, afterEach, before, describe } from 'node:test';
import type { Budget } from '../../src/connectors/connector.ts';
import type { Bench, Impossible } from './bench.ts';
import { actionsOn } from './bench-actions.ts';
import { changingTests } from './conformance-changing.ts';
import { doubtTests } from './conformance-doubt.ts';
import { countedBudget, mannersTests, overheard } from './conformance-manners.ts';
import { pageTests } from './conformance-pages.ts';
import { readingTests } from './conformance-reading.ts';
import { writingTests } from './conformance-writing.ts';

/** `setup` gives the connector the budget it is called with. */
export function conformance(
  name: string,
  setup: (budget: Budget) => Promise<Bench>,
  impossible: Impossible = {},
): void {
  describe(`${name}: conformance`, () => {
    let bench: Bench & { patientId: string };
    const budget = countedBudget();
    const leaks: string[] = [];
    before(async () => {
      const started = await setup(budget);
      const [patientId] = (await started.desk.addPatients(['Ordinary'])) as [string];
      bench = { ...started, connector: overheard(started.connector, leaks), patientId };
    });
    after(() => bench?.close());
    afterEach(() => bench.faults.clear());

    const actions = actionsOn(() => bench, impossible);
    describe('reading', () => readingTests(actions));
    describe('pages', () => pageTests(actions));
    describe('writing', () => writingTests(actions));
    describe('changing', () => changingTests(actions));
    describe('doubt', () => doubtTests(actions));
    describe('manners', () => mannersTests(actions, budget, leaks));
  });
}
