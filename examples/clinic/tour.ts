/**
 * The main job, end to end: `make demo` runs it. Every step prints the request, what was expected and what came; the first
 * difference ends it with exit code 1. With `--once` it ends after the tour, else it stays up for you to try things.
 */
import { randomBytes } from "node:crypto";
import pc from "picocolors";
import { ask } from "./tour/http.ts";
import { ledgerSteps } from "./tour/ledger.ts";
import { compare, Difference, note, request, title } from "./tour/show.ts";
import { type Stage, startStage } from "./tour/stage.ts";
import { runHeauth } from "./tour/standalone.ts";

const ALERT_WITHIN = 15_000;
/** What the policy promises (maxStaleness); with everything up it takes milliseconds. */
const REVOKED_WITHIN = 30_000;

async function tour(stage: Stage): Promise<void> {
  const { identity, clinic, receiver } = stage;
  const passwords = { admin: randomBytes(18).toString("base64url"), nurse: randomBytes(18).toString("base64url") };

  title("Create the first admin of the tenant acme");
  request("npx heauth superuser create --tenant acme --email admin@acme.example --password-stdin --data DIR");
  const create = ["superuser", "create", "--tenant", "acme", "--email", "admin@acme.example", "--password-stdin"];
  const created = await runHeauth([...create, "--data", stage.data], `${passwords.admin}\n`);
  compare("exit 0", `exit ${created.code}`, created.output.trim());
  const admin = await ask({
    method: "POST",
    url: `${identity}/auth`,
    json: { tenant: "acme", login: "admin@acme.example", password: passwords.admin },
    expect: 200,
  });

  title("The admin creates a user with the role nurse");
  const nurse = { login: "joy", email: "joy@acme.example", password: passwords.nurse, roles: ["nurse"] };
  const adminToken = String(admin.body["accessToken"]);
  await ask({ method: "POST", url: `${identity}/user`, token: adminToken, json: nurse, expect: 201 });

  title("The nurse logs in: this opens a session, which is a block");
  const login = await ask({
    method: "POST",
    url: `${identity}/auth`,
    json: { tenant: "acme", login: "joy", password: passwords.nurse, audience: ["clinic"] },
    expect: 200,
  });
  const token = String(login.body["accessToken"]);

  title("Read a patient: any session may");
  await ask({ url: `${clinic}/patients/4711`, token, expect: 200 });

  title("Write a patient: only doctors may");
  await ask({ method: "PUT", url: `${clinic}/patients/4711`, token, text: "influenza", expect: 403 });

  title("No token at all");
  await ask({ url: `${clinic}/patients/4711`, expect: 401 });

  title("A token with one character changed: refused, and the security team hears of it");
  await ask({ url: `${clinic}/patients/4711`, token: changeOneCharacter(token), expect: 401 });
  await arrives("BadSignature");

  title("Log out: the session's key is gone, and its block closes");
  await ask({ method: "POST", url: `${identity}/auth/logout`, json: { token }, expect: 200 });

  title("The old token, though it has not expired: refused, and the security team hears of it");
  await ask({ url: `${clinic}/patients/4711`, token, expect: 401, within: REVOKED_WITHIN });
  await arrives("SessionClosed");

  await ledgerSteps(stage, sessionOf(token));

  async function arrives(reason: string): Promise<void> {
    request(`POST ${receiver.url} (from heauth to the security team)`);
    const { data } = await receiver.next(reason, ALERT_WITHIN);
    compare(reason, String(data["reason"]));
    note(JSON.stringify(data, null, 2));
  }
}

/** Changes a character in the middle of the signature, where all six of its bits count. */
function changeOneCharacter(token: string): string {
  const at = token.lastIndexOf(".") + 40;
  return token.slice(0, at) + (token[at] === "A" ? "B" : "A") + token.slice(at + 1);
}

function sessionOf(token: string): string {
  return JSON.parse(Buffer.from(token.split(".")[1] ?? "", "base64url").toString()).sid;
}

function whatNext(stage: Stage): void {
  console.log(`
${pc.bold("It stays up; end it with Ctrl-C. Try next:")}
  # a user of your own, as the tenant's admin (choose the password)
  echo 'a long password of yours' | npx heauth superuser create --tenant acme --email you@acme.example --password-stdin --data ${stage.data}
  TOKEN=$(curl -s ${stage.identity}/auth -H 'content-type: application/json' \\
    -d '{"tenant":"acme","login":"you@acme.example","password":"a long password of yours","audience":["clinic"]}' | sed 's/.*"accessToken":"\\([^"]*\\).*/\\1/')
  curl -i ${stage.clinic}/patients/4712 -H "authorization: Bearer $TOKEN"
  curl -i ${stage.clinic}/patients/4712 -X PUT -d cured -H "authorization: Bearer $TOKEN"
  curl -i ${stage.identity}/auth/logout -H 'content-type: application/json' -d "{\\"token\\":\\"$TOKEN\\"}"
  npx heauth ledger verify --tenant acme --data ${stage.data}`);
}

async function main(): Promise<void> {
  const interrupted = Promise.withResolvers<void>();
  process.once("SIGINT", () => interrupted.resolve()).once("SIGTERM", () => interrupted.resolve());
  console.log("Starting PostgreSQL, heauth (operator, identity, hub), a sidecar and Envoy in front of the clinic …");
  const stage = await startStage();
  try {
    console.log(`ready: identity ${stage.identity}, the clinic behind Envoy ${stage.clinic}`);
    await Promise.race([tour(stage), interrupted.promise]);
    console.log(`\n${pc.green(pc.bold("The tour went as it should."))}`);
    if (!process.argv.includes("--once")) {
      whatNext(stage);
      await interrupted.promise;
    }
  } finally {
    await stage.stop();
  }
}

try {
  await main();
} catch (error) {
  console.error(
    pc.red(error instanceof Difference ? error.message : String(Error.isError(error) ? error.stack : error)),
  );
  process.exitCode = 1;
}
