import { SECRETS } from "@heauth/program/kubernetes";
import { expect } from "@jest/globals";
import { eventually } from "../../faults/eventually.ts";
import { type OperatorRig, RELEASE_NAMESPACE } from "../operator-rig.ts";
import { type AlertReceiver, startAlertReceiver } from "./alert-receiver.ts";
import { secretObject } from "./objects.ts";
import { type Logins, loginsOf, Tenancy } from "./tenancy.ts";

/** How long the jobs may take for what has become due: each looks about once a second, and ten times as rarely where it failed. */
const DUE_WITHIN_MS = 12_000;

/** A tenant that gives the jobs something to do, whatever is away. */
export interface Duty {
  readonly tenancy: Tenancy;
  readonly logins: Logins;
  readonly receiver: AlertReceiver;
  /** Alerts that were raised. */
  readonly alerts: number;
  /** Makes work for each job, and expects it to be done: a session expires, an alert is delivered, what was recorded is sealed. @returns how long each took, in ms */
  work(withinMs?: number): Promise<Record<"expiry" | "alert" | "seal", number>>;
  stop(): Promise<void>;
}

/** Makes the tenant, and waits until it is in force. An operator must be running. */
export async function takeDuty(rig: OperatorRig, name: string): Promise<Duty> {
  const receiver = await startAlertReceiver();
  const logins = await loginsOf(rig);
  const tenancy = new Tenancy(rig, name);
  await rig.api.client.create(SECRETS, secretObject(RELEASE_NAMESPACE, `${name}-hook`, name, receiver.secret));
  const webhook = { url: receiver.url, signingSecretRef: { name: `${name}-hook`, key: "key" } };
  await tenancy.live({ alerts: { receivers: [{ name: "secops", webhook }] } });
  const rows = <Row extends object>(sql: string, ...params: unknown[]) => rig.store.superuser.query<Row>(sql, params);
  let alerts = 0;

  /** @returns when it was so, in ms from now */
  async function due<T>(
    what: string,
    withinMs: number,
    ask: () => Promise<T> | T,
    wanted: (answer: T) => boolean,
  ): Promise<number> {
    const began = performance.now();
    const answer = await eventually(ask, wanted, withinMs);
    expect({ what, done: wanted(answer), answer }).toMatchObject({ what, done: true });
    return Math.round(performance.now() - began);
  }

  return {
    tenancy,
    logins,
    receiver,
    get alerts() {
      return alerts;
    },
    async work(withinMs = DUE_WITHIN_MS) {
      const { id } = tenancy;
      const [short, misused] = [await logins.open(id, 1_000), await logins.open(id)];
      await logins.misuse(id, misused);
      alerts += 1;
      const [last] = await rows<{ journal: string; number: number }>(
        "SELECT journal_id AS journal, number FROM segment WHERE tenant_id = $1 ORDER BY created_at DESC LIMIT 1",
        id,
      );
      const reason = () =>
        rows<{ close_reason: string | null }>("SELECT close_reason FROM session WHERE id = $1", short);
      const entries =
        "SELECT index FROM log_entry WHERE tenant_id = $1 AND kind = 'segment' AND journal_id = $2 AND number = $3";
      const sealed = () => rows(entries, id, last?.journal, last?.number);
      const [expiry, alert, seal] = await Promise.all([
        due("a session expires", withinMs, reason, ([row]) => row?.close_reason === "SessionExpired"),
        due(
          "an alert is delivered",
          withinMs,
          () => receiver.messages.length,
          (count) => count >= alerts,
        ),
        due("what was recorded is sealed", withinMs, sealed, ({ length }) => length > 0),
      ]);
      return { expiry, alert, seal };
    },
    stop: () => receiver.stop(),
  };
}
