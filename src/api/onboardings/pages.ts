/** What the page behind an onboarding's link looks like in each of its states. */
import type { ConnectorKind } from '../../connectors/connector.ts';
import { findForeignName } from './emr-names.ts';
import { type Choice, type Field, fieldsOf, property, textOf } from './fields.ts';
import { type Html, html } from './html.ts';

export interface Link {
  id: number;
  hashid: string;
  institutionName: string;
  emrName: string | null;
  expiresAt: string;
  isExpired: boolean;
  /** Null until the practice is connected. */
  reading: {
    isRead: boolean;
    lastError: string | null;
    counts: { locations: number; providers: number; patients: number; appointments: number };
    hasHours: boolean;
  } | null;
}

/** What came with a form that was not good enough. */
interface Attempt {
  posted: Record<string, unknown>;
  problems: string[];
}

/** How often the page of a first reading looks again. */
const LOOK_AGAIN_S = 3;

/** An option's fields show while it is chosen: `:checked` does what a script would. */
const STYLE = `
  body { font: 16px/1.5 system-ui, sans-serif; max-width: 40rem; margin: 3rem auto; padding: 0 1rem; color: #1c2b2d; background: #fbfaf7 }
  h1 { line-height: 1.2 } fieldset { border: 0; margin: 1.5rem 0; padding: 0 } legend { font-weight: 600; padding: 0 }
  .text { margin: .75rem 0 } .text label { display: block } .text input { box-sizing: border-box; width: 100%; padding: .5rem; font: inherit; color: inherit; background: transparent; border: 1px solid #8a9a97; border-radius: 4px }
  .option { margin: .5rem 0 } .option > .fields { display: none; margin-left: 1.6rem } .option > input:checked ~ .fields { display: block }
  .fields fieldset { margin: .75rem 0 } .fields legend { font-weight: 400 }
  button { font: inherit; padding: .6rem 1.2rem; border: 0; border-radius: 4px; color: #fff; background: #0b6b5c; cursor: pointer }
  [role=alert] { border-left: 4px solid #b3401f; padding: .5rem 1rem; background: #b3401f1a } small { opacity: .75 }
  @media (prefers-color-scheme: dark) { body { color: #dfe8e5; background: #10181a } }
`;

const STYLES: Html = { html: STYLE };

function page(title: string, content: Html, refreshS: number | null = null): Html {
  return html`<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>${title}</title>
<meta name="viewport" content="width=device-width"><meta name="robots" content="noindex">
${refreshS === null ? null : html`<meta http-equiv="refresh" content="${refreshS}">`}
<style>${STYLES}</style></head><body>
<h1>${title}</h1>
${content}
</body></html>
`;
}

/** For a link that no onboarding has. */
export const unknownPage = () =>
  page(
    'This link is not known',
    html`<p>Look whether it is complete, or ask whoever sent it to you for a new one.</p>`,
  );

/** For a link that was not used in time. */
export const expiredPage = ({ institutionName }: Link) =>
  page(
    'This link has expired',
    html`<p>It was meant for ${institutionName}. Ask whoever sent it to you for a new one.</p>`,
  );

/** For a request that could not be read, and for what is our own fault. */
export const faultPage = (status: number) =>
  status < 500
    ? page('That could not be read', html`<p>Go back, look at what you have filled in, and try again.</p>`)
    : page('Something went wrong', html`<p>It is not your fault. Try again in a moment.</p>`);

/** The form, empty or as it was sent with what was wrong. Secrets are always empty. */
export function formPage(link: Link, kinds: ReadonlyMap<string, ConnectorKind>, attempt?: Attempt): Html {
  const chosen = attempt ? textOf(attempt.posted.kind) : (link.emrName ?? '');
  return page(
    `Connect ${link.institutionName}`,
    html`
${attempt ? html`<div role="alert">${attempt.problems.map((problem) => html`<p>${problem}</p>`)}</div>` : null}
<p>${link.institutionName} is to be connected with Openchair: apps that the practice has chosen can then see when
there is time, and book it. Openchair reads the schedule from the practice’s own system and writes bookings into it;
that system keeps the last word.</p>
${foreignNote(link, kinds)}
<form method="post" autocomplete="off">
<fieldset><legend>Which system does the practice work with?</legend>
${[...kinds.values()].map((kind) => option('kind', kind.kind, kind.displayName, chosen, fieldsOf(kind.configSchema), kind.kind, attempt?.posted[kind.kind]))}
</fieldset>
<button>Check and connect</button>
<p><small>First it is checked whether the system can be reached, which can take up to 20 seconds. What you fill in
stays on this server, and passwords and keys are never shown again. This link works until
${link.expiresAt.slice(0, 10)}.</small></p>
</form>`,
  );
}

function foreignNote({ emrName }: Link, kinds: ReadonlyMap<string, ConnectorKind>): Html | null {
  const name = emrName === null ? null : findForeignName(emrName);
  if (name === null) return null;
  const known = [...kinds.values()].map(({ displayName }) => displayName).join(', ');
  return html`<p>Whoever sent you this link expects the practice to work with ${name}. This installation cannot connect
${name} by itself. What it can connect is: ${known}. If ${name} offers one of these, choose it; if not, say so to whoever
sent you the link.</p>`;
}

/** A radio button with the fields that belong to it, whose names begin with `prefix`. */
function option(
  name: string,
  value: string,
  title: string,
  chosen: string,
  fields: Field[],
  prefix: string,
  posted: unknown,
): Html {
  const id = `${prefix}-${value}`;
  return html`<div class="option"><input type="radio" id="${id}" name="${name}" value="${value}"${value === chosen ? CHECKED : null}>
<label for="${id}">${title}</label>
<div class="fields">${fields.map((field) => fieldHtml(field, prefix, property(posted, field.name)))}</div></div>
`;
}

const CHECKED: Html = { html: ' checked' };

function fieldHtml(field: Field, prefix: string, posted: unknown): Html {
  const name = `${prefix}[${field.name}]`;
  if (field.type === 'choice') return choiceHtml(field, name, posted);
  const value = field.isSecret ? '' : textOf(posted);
  return html`<div class="text"><label for="${name}">${field.title}${field.isRequired ? '' : ' (if there is one)'}</label>
<input id="${name}" name="${name}" type="${field.isSecret ? 'password' : 'text'}" value="${value}"
placeholder="${field.example ?? ''}" autocomplete="off" spellcheck="false"></div>
`;
}

function choiceHtml(field: Choice, name: string, posted: unknown): Html {
  const chosen = textOf(property(posted, field.discriminator));
  const options = field.options.map(({ value, title, fields }) =>
    option(
      `${name}[${field.discriminator}]`,
      value,
      title,
      chosen,
      fields,
      `${name}[${value}]`,
      property(posted, value),
    ),
  );
  return html`<fieldset><legend>${field.title}</legend>
${options}</fieldset>
`;
}

/** How the first reading goes, and what came of it. */
export function readingPage({ institutionName, reading }: Link): Html {
  const { isRead, lastError, counts, hasHours } = reading as NonNullable<Link['reading']>;
  const found = html`<p>Read so far: ${Object.entries(counts).map(([what, count], at) => html`${at > 0 ? ', ' : ''}${count} ${what}`)}.</p>`;
  if (!isRead) {
    return page(
      `${institutionName} is connected`,
      html`<p>Its schedule is being read for the first time. You can close this page; the reading goes on.</p>
${found}
${lastError === null ? null : html`<div role="alert"><p>The last try ended early: ${lastError}. It is tried again by itself.</p></div>`}`,
      LOOK_AGAIN_S,
    );
  }
  return page(
    `${institutionName} is ready`,
    html`<p>The schedule has been read, and is read again whenever something changes. There is nothing left to do here.</p>
${found}
${hasHours ? html`<p>Times can be booked.</p>` : html`<p>The system told no hours in which patients can be seen; the app that sent you this link sets them.</p>`}`,
  );
}
