import { connect } from "node:net";
import { expect, test } from "@jest/globals";
import { PASSWORD, type TestIdentity, type Tokens, testIdentity } from "./testing/test-identity.ts";

async function withIdentity(work: (home: TestIdentity) => Promise<void>): Promise<void> {
  const home = await testIdentity({ hashingQueue: 1000 });
  try {
    await work(home);
  } finally {
    await home.stop();
  }
}

test("stopping cuts off who dawdles, and ends the journals in order", () =>
  withIdentity(async (home) => {
    const acme = await home.tenant("acme");
    await home.admin(acme);
    await home.logIn(acme, "admin@example.org");
    const url = new URL(await home.identity.app.listen({ host: "127.0.0.1", port: 0 }));
    const dawdler = connect(Number(url.port), url.hostname);
    const ended = new Promise((resolve) =>
      dawdler
        .resume()
        .on("close", resolve)
        .on("error", () => {}),
    );
    await new Promise((resolve) =>
      dawdler.write(
        "POST /auth HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 10\r\n\r\n",
        resolve,
      ),
    );

    await home.identity.stop(AbortSignal.timeout(300));
    await ended;
    expect(home.parts.health.ready().ok).toBe(false);
    expect((await home.records(acme)).at(-1)?.record.type).toBe("journal.close");
    const [head] = await home.db.superuser.query("SELECT final FROM journal_head WHERE tenant_id = $1", [acme.id]);
    expect(head).toEqual({ final: true });
  }));

test("a tenant that is only half made answers 503, not 500", () =>
  withIdentity(async (home) => {
    const acme = await home.tenant("acme");
    await home.admin(acme);
    await home.db.superuser.query("DELETE FROM tag_key");
    const answer = await home.ask({
      url: "/auth",
      json: { tenant: "acme", login: "admin@example.org", password: PASSWORD },
    });
    expect([answer.statusCode, answer.json().code]).toEqual([503, "StoreUnavailable"]);
    expect(await home.db.superuser.query("SELECT FROM session")).toEqual([]);
  }));

test("everything at once: nobody waits for ever, nothing is 500 or 503, and every session's end was told once", () =>
  withIdentity(async (home) => {
    const acme = await home.tenant("acme");
    await home.admin(acme);
    const { accessToken: token } = await home.logIn(acme, "admin@example.org");
    const statuses: number[] = [];
    const ask: TestIdentity["ask"] = async (request) => {
      const answer = await home.ask(request);
      statuses.push(answer.statusCode);
      return answer;
    };

    async function life(login: string): Promise<void> {
      await ask({
        url: "/user",
        token,
        json: { login, email: `${login}@example.org`, password: PASSWORD, roles: [login, "shared"] },
      });
      const json = { tenant: "acme", login, password: PASSWORD };
      const logins = await Promise.all([0, 1, 2].map((n) => ask({ url: "/auth", json, from: `10.0.${n}.1` })));
      const [first, second, third] = logins.map((answer) => answer.json<Tokens>());
      await Promise.all([
        ask({ url: "/auth/refresh", json: { refreshToken: first?.refreshToken } }),
        ask({ url: "/auth/logout", json: { token: first?.accessToken } }),
        ask({ url: "/auth/logout", json: { token: second?.accessToken } }),
        ask({ url: "/auth/logout", json: { token: second?.accessToken } }),
        ask({ url: "/auth/refresh", json: { refreshToken: third?.refreshToken } }),
        ask({ method: "GET", url: "/user", token }),
        ask({ method: "DELETE", url: `/user/${login}`, token }),
      ]);
    }
    await Promise.all(Array.from({ length: 12 }, (_, index) => life(`user${index}`)));

    expect([...new Set(statuses)].sort()).toEqual([200, 201, 401].filter((status) => statuses.includes(status)));
    const [{ open, closed, told } = { open: -1, closed: -1, told: -1 }] = await home.db.superuser.query<{
      open: number;
      closed: number;
      told: number;
    }>(
      `SELECT count(*) FILTER (WHERE closed_at IS NULL) AS open, count(closed_at) AS closed,
              (SELECT count(DISTINCT session_id) FROM outbox WHERE kind = 'session.closed') AS told FROM session`,
    );
    expect({ open, closed, told }).toEqual({ open: 1, closed: 36, told: 36 });
    const closes = (await home.records(acme)).filter(({ record }) => record.type === "session.close");
    expect(new Set(closes.map(({ record }) => record.session)).size).toBe(36);
    expect(closes).toHaveLength(36);
  }));
