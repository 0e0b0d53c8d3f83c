/**
 * Carrying one command into the HRS. Its intent is committed before the first byte leaves, no transaction is open
 * while the HRS works, and a lost answer is looked up, never sent again blindly. What comes next is machine.ts's
 * to say; how it ended is written by conclude.ts.
 */
import { type Clock, toIso } from '../clock.ts';
import {
  type Connector,
  type ConnectorKind,
  HrsNonsense,
  OutcomeUnknown,
  QuotaSpent,
  Unavailable,
  type Write,
  type WriteResult,
} from '../connectors/connector.ts';
import { REASONS } from '../domain/records.ts';
import type { Wakeups } from '../jobs/wakeups.ts';
import type { Logger } from '../logger.ts';
import type { Metrics } from '../metrics.ts';
import { type Database, forAll } from '../store/database.ts';
import type { CommandRow, CommandState, ConnectionRow } from '../store/schema.ts';
import { adoptPatient } from './adoption.ts';
import { type Assignment, readAssignment, writeOf } from './assignment.ts';
import { conclude } from './conclude.ts';
import {
  afterSearchFailed,
  type CommandFacts,
  type NextMove,
  nextMove,
  resendDelayMs,
  retryDelayMs,
} from './machine.ts';
import { type Outcome, withHistory } from './outcome.ts';
import { isCreate, judge, lookAt, lookFor, type Verdict, type WrittenRecord } from './recognition.ts';
import { setWriteStatus } from './write-status.ts';

/** A connector's own bounds are shorter; this one ends a connector that forgot. */
const CALL_TIMEOUT_MS = 15_000;

export interface CommandServices {
  db: Database;
  clock: Clock;
  log: Logger;
  wakeups: Wakeups;
  connectorOf: (connection: ConnectionRow) => Connector;
  kinds: ReadonlyMap<string, ConnectorKind>;
  metrics: Pick<Metrics, 'commands'>;
}

/** Takes one command as far as it goes now: to its end, or to the next moment at which there is something to do. */
export async function runCommand(services: CommandServices, command: CommandRow, stopping: AbortSignal): Promise<void> {
  const assignment = await forAll(services.db, (tx) => readAssignment(tx, command));
  const run = new Run(services, assignment, command, stopping);
  const move = nextMove(run.facts(), services.clock.nowMs());
  if (move.do === 'settle') return run.waitUntil('settling', move.untilMs);
  if (move.do === 'finish') return run.finish(finishOf(move));
  if (move.do === 'search') return run.search();
  if (move.do === 'rest') return run.rest();
  return run.send();
}

const finishOf = (move: Extract<NextMove, { do: 'finish' }>): Outcome => ({
  state: move.state,
  reason: move.reason,
  message: REASONS[move.reason],
  retryable: move.reason !== 'outcome_unknown',
});

type Refusal = Extract<WriteResult, { outcome: 'refused' }>;

/** One worker's hold on one command: what it knows, and the few things it can do. State is what the row says. */
class Run {
  private readonly services: CommandServices;
  private assignment: Assignment;
  private command: CommandRow;
  private readonly stopping: AbortSignal;
  private opened: Connector | null = null;

  constructor(services: CommandServices, assignment: Assignment, command: CommandRow, stopping: AbortSignal) {
    this.services = services;
    this.assignment = assignment;
    this.command = command;
    this.stopping = stopping;
  }

  /** Only when the HRS is needed: a command whose time is over ends also while there is no way to reach one. */
  private get connector(): Connector {
    this.opened ??= this.services.connectorOf(this.assignment.connection);
    return this.opened;
  }

  facts(): CommandFacts {
    const { state, attempts, expires_at, settles_at } = this.command;
    return {
      state,
      attempts,
      expiresMs: Date.parse(expires_at),
      settlesMs: settles_at === null ? null : Date.parse(settles_at),
      paused: this.assignment.connection.paused,
    };
  }

  private signal(): AbortSignal {
    return AbortSignal.any([this.stopping, AbortSignal.timeout(CALL_TIMEOUT_MS)]);
  }

  /** A transaction that counts only while the command is still ours. Returns false when it no longer is. */
  private async record(
    set: Partial<
      Record<'due_at' | 'sent_at' | 'settles_at' | 'accepted_at' | 'step' | 'lease_until' | 'hrs_said', string | null>
    > & {
      attempts?: number;
      failures?: number;
    },
    state: CommandState,
  ): Promise<boolean> {
    const nowMs = this.services.clock.nowMs();
    const updated = await forAll(this.services.db, (tx) =>
      tx
        .updateTable('command')
        .set({ ...set, state, history: withHistory(state, nowMs) } as never)
        .where('id', '=', this.command.id)
        .where('fence', '=', this.command.fence)
        .where('finished_at', 'is', null)
        .returningAll()
        .executeTakeFirst(),
    );
    if (!updated) return false;
    this.command = updated;
    return true;
  }

  /** Lets go of the command until there is something to do. */
  async waitUntil(state: CommandState, untilMs: number, failures = this.command.failures): Promise<void> {
    await this.record({ due_at: toIso(untilMs), lease_until: null, failures }, state);
  }

  /** Due as before, so that it goes on at once when the connection does. */
  async rest(): Promise<void> {
    await this.record({ lease_until: null }, this.command.state);
  }

  async finish(outcome: Outcome): Promise<void> {
    const concluded = await forAll(this.services.db, (tx) =>
      conclude(tx, this.command, outcome, this.services.clock.nowMs()),
    );
    if (!concluded) return;
    const { kind } = this.command;
    this.services.metrics.commands.inc({ kind, state: outcome.state, reason: outcome.reason ?? '' });
    this.services.wakeups.wake('deliveries');
    this.services.wakeups.wake('commands');
  }

  async send(): Promise<void> {
    const write = writeOf(this.command, this.assignment);
    if (write === null) return this.finish({ state: 'complete' });
    if (write === 'gone') return this.finish(GONE);
    const nowMs = this.services.clock.nowMs();
    const step = STEPS[write.kind] ?? null;
    const settlesAt = toIso(nowMs + CALL_TIMEOUT_MS + this.connector.capabilities.settleMs);
    const wasSearched = this.command.state === 'searched';
    const earlier = this.command;
    // Committed before the first byte leaves: whoever takes over knows that it may be out.
    if (
      !(await this.record(
        { sent_at: toIso(nowMs), settles_at: settlesAt, step, attempts: earlier.attempts + 1, hrs_said: null },
        'sent',
      ))
    )
      return;
    let result: WriteResult;
    try {
      result = await this.connector.execute(write, this.signal());
    } catch (error) {
      if (error instanceof Unavailable) return this.notSent(error, earlier);
      if (!(error instanceof OutcomeUnknown || error instanceof HrsNonsense) && !this.stopping.aborted)
        this.report(error);
      return this.doubt();
    }
    await this.reached();
    if (result.outcome === 'done') return this.verify(write, result.foreignId);
    if (result.outcome === 'accepted') return this.accepted();
    // What was sent before and never answered may be the very thing that is in the way now.
    if (wasSearched || earlier.attempts > 0) return this.search({ refusal: result });
    return this.refused(write, result);
  }

  private async notSent(error: Unavailable, earlier: CommandRow): Promise<void> {
    const isOurs = error instanceof QuotaSpent;
    // Neither a call that we cut off ourselves nor one that we did not make says anything about the HRS.
    if (!this.stopping.aborted && !isOurs) {
      await forAll(this.services.db, (tx) =>
        setWriteStatus(tx, this.assignment.connection, 'red', this.services.clock.nowMs(), this.services.kinds),
      );
    }
    const delayMs = retryDelayMs(isOurs ? 0 : earlier.failures, error.retryAfterMs, error.hrsSaid !== null);
    // Waking at the start instead of after it makes timed_out punctual.
    const untilMs = Math.min(
      this.services.clock.nowMs() + delayMs,
      Math.max(Date.parse(earlier.expires_at), this.services.clock.nowMs()),
    );
    await this.record(
      {
        due_at: toIso(untilMs),
        lease_until: null,
        failures: earlier.failures + (isOurs ? 0 : 1),
        attempts: earlier.attempts,
        sent_at: earlier.sent_at,
        settles_at: null,
        hrs_said: error.hrsSaid,
      },
      earlier.state === 'searched' ? 'searched' : 'queued',
    );
  }

  /** No answer that proves anything: wait until the HRS cannot act on it any more, then look. */
  private async doubt(): Promise<void> {
    const settlesMs = this.services.clock.nowMs() + this.connector.capabilities.settleMs;
    if (!(await this.record({ settles_at: toIso(settlesMs) }, 'unknown'))) return;
    await this.waitUntil('settling', settlesMs);
  }

  /** The HRS owes an answer now: the write is not sent again, and its time may run out. */
  private async accepted(): Promise<void> {
    const nowMs = this.services.clock.nowMs();
    if (!(await this.record({ accepted_at: toIso(nowMs), settles_at: null, failures: 0 }, 'unknown'))) return;
    await this.waitForAnswer();
  }

  /** A message that brings the answer makes the command due before this. */
  private async waitForAnswer(): Promise<void> {
    const nowMs = this.services.clock.nowMs();
    const end = afterSearchFailed(this.facts(), nowMs);
    if (end?.do === 'finish') return this.finish(finishOf(end));
    const { failures, expires_at } = this.command;
    const untilMs = Math.min(nowMs + retryDelayMs(failures, null), Date.parse(expires_at));
    return this.waitUntil('settling', untilMs, failures + 1);
  }

  private async lookForAnswer(write: Write): Promise<void> {
    let answer: Awaited<ReturnType<NonNullable<Connector['answerTo']>>>;
    try {
      answer = (await this.connector.answerTo?.(write, this.signal())) ?? null;
    } catch (error) {
      if (!(error instanceof Unavailable || error instanceof HrsNonsense) && !this.stopping.aborted) this.report(error);
      answer = null;
    }
    if (answer === null) return this.waitForAnswer();
    if (answer.outcome === 'done') return this.verify(write, answer.foreignId);
    return this.refused(write, answer);
  }

  private async reached(): Promise<void> {
    const nowMs = this.services.clock.nowMs();
    if (this.assignment.connection.write_status === 'green') return;
    await forAll(this.services.db, (tx) =>
      setWriteStatus(tx, this.assignment.connection, 'green', nowMs, this.services.kinds),
    );
    this.services.wakeups.wake('deliveries');
  }

  /** The HRS said "done": believed once the record has been read back and is the one that was written. */
  private async verify(write: Write, foreignId: string): Promise<void> {
    let found: WrittenRecord[];
    try {
      found = await this.connector.find(lookAt(write, foreignId), this.signal());
    } catch {
      return this.doubt();
    }
    const record = found[0];
    const verdict = record && this.judge(write, record);
    if (record && verdict === 'written') return this.written(record);
    if (record && verdict === 'overtaken') return this.overtaken(record);
    if (!isCreate(write)) {
      if (record) return this.notWritten();
      return this.finish(write.kind === 'cancel' ? { state: 'complete' } : GONE);
    }
    if (this.connector.capabilities.marker !== 'none') return this.search({ lied: true });
    // Somebody else's record, or none, and no way to look for ours.
    return record ? this.finish(MISMATCH) : this.notWritten();
  }

  private judge(write: Write, record: WrittenRecord): Verdict {
    const { assignment } = this;
    return judge(write, record, assignment.about === 'appointment' ? assignment.before : {});
  }

  /** Staff have had the last word: sending the change again would undo theirs. */
  private overtaken(record: WrittenRecord): Promise<void> {
    return this.finish({ ...OVERTAKEN, record: record.kind === 'patient' ? null : record });
  }

  /** "Yes" and nothing there: tried again as often as the machine allows, then told as it is. */
  private async notWritten(): Promise<void> {
    const nowMs = this.services.clock.nowMs();
    const { attempts } = this.command;
    if (attempts >= MAX_LIES) {
      return this.finish({ state: 'failed', reason: 'not_written', message: REASONS.not_written, retryable: true });
    }
    const dueAt = toIso(nowMs + retryDelayMs(attempts, null));
    await this.record({ settles_at: null, accepted_at: null, due_at: dueAt, lease_until: null }, 'searched');
  }

  private async written(record: WrittenRecord): Promise<void> {
    if (record.kind !== 'patient') return this.finish({ state: 'complete', record });
    const { institution_id } = this.command;
    const patientId = this.assignment.about === 'appointment' ? this.assignment.appointment.patient_id : null;
    if (patientId !== null) {
      await forAll(this.services.db, (tx) =>
        adoptPatient(tx, institution_id, patientId, record, this.services.clock.nowMs()),
      );
      this.services.wakeups.wake('deliveries');
    }
    // The patient is there; the appointment is a write of its own, with its own doubts.
    if (
      !(await this.record(
        { step: 'appointment', settles_at: null, accepted_at: null, attempts: 0, failures: 0 },
        'queued',
      ))
    )
      return;
    this.assignment = await forAll(this.services.db, (tx) => readAssignment(tx, this.command));
    return this.sendInTime();
  }

  /** The step before may have taken until the start, and then nothing leaves any more. */
  private async sendInTime(): Promise<void> {
    const move = nextMove(this.facts(), this.services.clock.nowMs());
    if (move.do === 'finish') return this.finish(finishOf(move));
    return move.do === 'rest' ? this.rest() : this.send();
  }

  /**
   * Is it there? What the HRS has just said counts only when nothing is found: `refusal` to a repeated write, or
   * `lied`, a "done" for which there is no record.
   */
  async search(said: { refusal?: Refusal; lied?: boolean } = {}): Promise<void> {
    const write = writeOf(this.command, this.assignment);
    if (write === null) return this.finish({ state: 'complete' });
    if (write === 'gone') return this.finish(GONE);
    if (this.command.accepted_at !== null) return this.lookForAnswer(write);
    const look = lookFor(write);
    if (this.connector.capabilities.marker === 'none' && 'marker' in look) {
      return this.finish({
        state: 'incomplete',
        reason: 'outcome_unknown',
        message: REASONS.outcome_unknown,
        retryable: false,
      });
    }
    let found: WrittenRecord[];
    try {
      found = await this.connector.find(look, this.signal());
    } catch (error) {
      if (!(error instanceof Unavailable || error instanceof HrsNonsense) && !this.stopping.aborted) this.report(error);
      const nowMs = this.services.clock.nowMs();
      const end = afterSearchFailed(this.facts(), nowMs);
      if (end?.do === 'finish') return this.finish(finishOf(end));
      const { failures, expires_at } = this.command;
      const askedMs = error instanceof Unavailable ? error.retryAfterMs : null;
      const untilMs = Math.min(
        nowMs + retryDelayMs(failures, askedMs),
        Math.max(Date.parse(expires_at), nowMs + 1_000),
      );
      return this.waitUntil('settling', untilMs, failures + 1);
    }
    await this.reached();
    const record = found.find((one) => this.judge(write, one) === 'written');
    if (record) return this.written(record);
    const changed = found.find((one) => this.judge(write, one) === 'overtaken');
    if (changed) return this.overtaken(changed);
    if (said.refusal) return this.refused(write, said.refusal);
    if (said.lied) return this.notWritten();
    if (write.kind === 'cancel' && found.length === 0) return this.finish({ state: 'complete' });
    // Proven absent: it may be sent again, or has run out of time.
    const nowMs = this.services.clock.nowMs();
    const delayMs = resendDelayMs(this.command.attempts, Date.parse(this.command.expires_at) - nowMs);
    const rest = delayMs > 0 ? { lease_until: null } : {};
    const dueAt = toIso(nowMs + delayMs);
    if (!(await this.record({ settles_at: null, failures: 0, due_at: dueAt, ...rest }, 'searched'))) return;
    if (delayMs === 0) return this.sendInTime();
  }

  private async refused(write: Write, result: Refusal): Promise<void> {
    // What is refused may be so already, by somebody at the front desk; and what the row shows must be the truth.
    const record = 'foreignId' in write ? await this.readBack(write, write.foreignId) : null;
    if (record && this.judge(write, record) === 'written') return this.finish({ state: 'complete', record });
    const reason =
      write.kind === 'create_patient' && result.reason === 'refused_by_hrs' ? 'patient_rejected' : result.reason;
    return this.finish({
      state: 'failed',
      reason,
      message: result.message,
      retryable: result.retryable,
      hrsSaid: result.hrsSaid,
      record,
    });
  }

  private async readBack(write: Write, foreignId: string): Promise<Exclude<WrittenRecord, { kind: 'patient' }> | null> {
    try {
      const [record] = await this.connector.find(lookAt(write, foreignId), this.signal());
      return record && record.kind !== 'patient' ? record : null;
    } catch {
      return null;
    }
  }

  private report(error: unknown): void {
    const { name, code, stack } = error as { name?: string; code?: string; stack?: string };
    this.services.log.error(
      { commandId: this.command.id, name, code, stack },
      'a connector failed in a way it should not',
    );
  }
}

const GONE: Outcome = {
  state: 'failed',
  reason: 'not_found_in_hrs',
  message: REASONS.not_found_in_hrs,
  retryable: false,
};

const MISMATCH: Outcome = { state: 'incomplete', reason: 'mismatch', message: REASONS.mismatch, retryable: false };

const OVERTAKEN: Outcome = { state: 'failed', reason: 'overtaken', message: REASONS.overtaken, retryable: true };

/** An HRS that says "done" and does nothing is believed this many times. */
const MAX_LIES = 3;

/** Which write of a booking is under way: its patient comes first. */
const STEPS: Partial<Record<Write['kind'], 'patient' | 'appointment'>> = {
  create_patient: 'patient',
  create_appointment: 'appointment',
};
