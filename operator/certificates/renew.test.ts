import { expect, test } from "@jest/globals";
import { type CertificateSet, fromSecretData, toSecretData, trustBundle } from "./certificate-set.ts";
import { issueAuthority } from "./issue.ts";
import { isGoodAt, parsedCertificate, validityOf } from "./pair.ts";
import { renewed } from "./renew.ts";

const DAY = 86_400_000;
const START = Date.UTC(2026, 0, 1);
const names = ["heauth-webhook.heauth-system.svc", "heauth-webhook.heauth-system.svc.cluster.local"];
const at = (day: number, held: CertificateSet | undefined, trusted?: string) =>
  renewed(held, { nowMs: START + day * DAY, names, trusted });
const fresh = () => at(0, undefined);
const days = (pem: string) => (validityOf(pem).untilMs - START) / DAY;

function stored(set: CertificateSet): Record<string, string> {
  return Object.fromEntries(Object.entries(toSecretData(set)).flatMap(([key, value]) => (value ? [[key, value]] : [])));
}

/** Whether somebody who trusts the bundle accepts the leaf. */
function accepts(bundle: string, leaf: string, day: number): boolean {
  const authorities = bundle.match(/-----BEGIN[\s\S]*?-----END CERTIFICATE-----\n/g) ?? [];
  const shown = parsedCertificate(leaf);
  return (
    isGoodAt(leaf, START + day * DAY) &&
    authorities.some((pem) => {
      const authority = parsedCertificate(pem);
      return authority !== undefined && isGoodAt(pem, START + day * DAY) && shown?.verify(authority.publicKey) === true;
    })
  );
}

test("the first set: an authority of a year, a leaf of 90 days for the Service's names", async () => {
  const set = await fresh();
  expect([days(set.authority.certificate), days(set.leaf.certificate)]).toEqual([365, 90]);
  const leaf = parsedCertificate(set.leaf.certificate);
  expect(leaf?.subjectAltName).toBe(names.map((name) => `DNS:${name}`).join(", "));
  expect([leaf?.ca, parsedCertificate(set.authority.certificate)?.ca]).toEqual([false, true]);
  expect(leaf?.keyUsage).toEqual(["1.3.6.1.5.5.7.3.1"]); // serverAuth
  expect(parsedCertificate(set.leaf.certificate)?.publicKey.asymmetricKeyDetails).toEqual({ namedCurve: "prime256v1" });
});

test("nothing is done before two thirds of a leaf's life, then it is renewed under the same authority", async () => {
  const set = await fresh();
  expect(await at(59, set)).toBe(set);
  const later = await at(61, set);
  expect(later.authority).toBe(set.authority);
  expect(days(later.leaf.certificate)).toBe(151);
  expect(trustBundle(later)).toBe(trustBundle(set));
});

test("a leaf for other names is renewed at once", async () => {
  const set = await fresh();
  const renamed = await renewed(set, { nowMs: START, names: ["other.heauth-system.svc"], trusted: undefined });
  expect(parsedCertificate(renamed.leaf.certificate)?.subjectAltName).toBe("DNS:other.heauth-system.svc");
});

test("an authority is followed by one that is trusted before it signs, and trusted until what it signed has expired", async () => {
  let set = await fresh();
  // Day by day; each day two replicas look, and the bundle is known everywhere a day after it was written.
  const seen: string[] = [];
  let trusted = trustBundle(set);
  for (let day = 1; day <= 800; day++) {
    const before = set;
    set = await at(day, set, trusted);
    // Whoever still shows what was shown yesterday, and whoever still trusts what was trusted yesterday, get on with each other.
    expect(accepts(trusted, set.leaf.certificate, day)).toBe(true);
    expect(accepts(trustBundle(set), before.leaf.certificate, day)).toBe(true);
    const step = (["next", "former"] as const).filter(
      (each) => (before[each] === undefined) !== (set[each] === undefined),
    );
    if (step.length > 0)
      seen.push(`${day}: ${step.map((each) => (set[each] === undefined ? `-${each}` : `+${each}`)).join(" ")}`);
    trusted = trustBundle(set);
  }
  expect(seen).toEqual([
    "244: +next",
    "245: -next +former",
    expect.stringMatching(/^33\d: -former$/),
    expect.stringMatching(/^48\d: \+next$/),
    expect.stringMatching(/^48\d: -next \+former$/),
    expect.stringMatching(/^5\d\d: -former$/),
    expect.stringMatching(/^73\d: \+next$/),
    expect.stringMatching(/^73\d: -next \+former$/),
  ]);
}, 60_000);

test("the next authority signs nothing while it is not known that everybody trusts it", async () => {
  const set = await at(244, await fresh());
  expect(set.next).toBeDefined();
  const { next: _, ...without } = set;
  for (const trusted of [undefined, trustBundle(without)]) {
    expect(parsedCertificate((await at(300, set, trusted)).leaf.certificate)?.issuer).toBe(
      parsedCertificate(set.authority.certificate)?.subject,
    );
  }
});

test("when everything has expired it begins again, with the authority that is trusted already if there is one", async () => {
  const set = await fresh();
  const anew = await at(400, set);
  expect(accepts(trustBundle(anew), anew.leaf.certificate, 400)).toBe(true);
  const withNext = await at(300, set);
  const next = await at(400, withNext);
  expect(next.authority).toBe(withNext.next);
  expect(accepts(trustBundle(withNext), next.leaf.certificate, 400)).toBe(true);
});

test("a clock that was set back makes a leaf that is good now", async () => {
  const set = await fresh();
  const back = await at(-1, { ...set, authority: (await at(-2, undefined)).authority });
  expect(isGoodAt(back.leaf.certificate, START - DAY)).toBe(true);
});

test("a set is read back from a Secret as it was written", async () => {
  const plain = await fresh();
  const rotating = await at(244, plain);
  const rotated = await at(245, rotating, trustBundle(rotating));
  for (const set of [plain, rotating, rotated]) expect(fromSecretData(stored(set))).toEqual(set);
  expect(toSecretData(rotated)).toMatchObject({ "next-ca.crt": null, "next-ca.key": null });
});

test.each(["tls.crt", "tls.key", "ca.crt", "ca.key"])(
  "a set whose %s is missing, spoilt or of another set is none",
  async (key) => {
    const [good, other] = [stored(await fresh()), stored(await fresh())];
    const { [key]: _, ...missing } = good;
    expect(fromSecretData(missing)).toBeUndefined();
    expect(fromSecretData({ ...good, [key]: "AAAA" })).toBeUndefined();
    expect(fromSecretData({ ...good, [key]: other[key] ?? "" })).toBeUndefined();
    expect(fromSecretData(undefined)).toBeUndefined();
  },
);

test("a leaf can't pass for an authority, nor one authority for another", async () => {
  const set = await fresh();
  expect(fromSecretData(stored({ ...set, authority: set.leaf }))).toBeUndefined();
  const next = await issueAuthority(START);
  expect(fromSecretData(stored({ ...set, next: { ...next, key: set.authority.key } }))).toEqual(set);
});
