// What people choose first: words, names of things, and walks over the keyboard. Lower case, letters only; digits and signs at the
// ends, and letters written as digits, are taken off before a password is looked up here.
const words = `
  abcdef access account adidas admin administrator alex amanda andrea andrew angel anthony apple arsenal asdf asdfgh
  asdfghjkl ashley austin baby badboy bailey banana barcelona baseball basketball batman biteme blink buster butterfly
  change changeit changeme charlie cheese chelsea chicken chocolate chris clinic computer cookie corvette daniel default demo
  diamond doctor dragon eagle enter family ferrari flower football forever freedom friend friends fuckyou gandalf george
  ginger girl golf google guest hallo hammer hannah harley hello hockey hospital hottie hunter iloveyou internet jackson
  jennifer jessica jessie jesus jordan joshua justin killer kitten lakers letmein liverpool login london love lovely loveme
  lucky maggie manager master matrix matthew merlin michael michelle mickey monday monkey monster mother mustang mynoob naruto
  nicole ninja nothing nurse online orange oracle pass passphrase passw passwd password passwort patient pepper peanut
  phoenix pokemon porsche postgres princess private purple qazwsx qwer qwert qwerty qwertyuiop qwertz ranger robert
  root samsung samantha scooter secret secure security service shadow silver soccer spiderman starwars
  steelers summer sunshine superman superuser support sysadmin system taylor temp test tester testing thomas thunder tigger
  tigger toor trustno unknown user username vagrant welcome whatever whoami william winner winter xbox yankees yellow
  zaqwsx zxcvbn zxcvbnm
`;

const common = new Set(words.trim().split(/\s+/));

const letterOf: Readonly<Record<string, string>> = {
  "0": "o",
  "1": "i",
  "3": "e",
  "4": "a",
  "5": "s",
  "7": "t",
  "8": "b",
  "@": "a",
  $: "s",
  "!": "i",
};
const rows = [
  "abcdefghijklmnopqrstuvwxyz",
  "01234567890",
  "qwertyuiop",
  "qwertzuiop",
  "asdfghjkl",
  "zxcvbnm",
  "yxcvbnm",
  "azertyuiop",
];
const walks = rows.flatMap((row) => [row, [...row].reverse().join("")]).map((row) => row.repeat(4));

/** Whether a password is among the first that a guesser tries: a common word with decoration, a walk, or few characters repeated. */
export function isCommonPassword(password: string): boolean {
  const text = password.toLowerCase();
  if (new Set(text).size < 5) return true;
  if (walks.some((walk) => walk.includes(text))) return true;
  const plain = undecorated(text);
  const read = undecorated([...plain].map((each) => letterOf[each] ?? each).join(""));
  if (/^[^a-z\u0080-\u{10ffff}]*$/u.test(text)) return true;
  return [text, plain, read].some((each) => common.has(each) || madeOfCommonWords(each));
}

/** Without digits and signs at its ends. */
function undecorated(text: string): string {
  return text.replace(/^[^\p{L}]+|[^\p{L}]+$/gu, "");
}

/** Whether at most three common words, with digits and signs between, make up the whole. */
function madeOfCommonWords(text: string): boolean {
  const parts = text.split(/[^\p{L}]+/u).filter((part) => part !== "");
  return parts.length > 0 && parts.length <= 3 && parts.every((part) => common.has(part) || isDoubled(part));
}

function isDoubled(text: string): boolean {
  const half = text.slice(0, text.length / 2);
  return text === half + half && common.has(half);
}
