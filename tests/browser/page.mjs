// Drives galmorph-page in headless Chromium: every view, every key, a reload, an empty catalog, one that grows, a file
// that is gone, names with markup, a phone's width; axe-core finds nothing; nothing is blocked, nothing leaves the page.
//
// usage: node tests/browser/page.mjs BIN FOLDER [SCREENSHOTS]     (tests/browser/run makes the folder)
import assert from 'node:assert/strict';
import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { copyFileSync, mkdirSync, readFileSync, renameSync, statSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { test } from 'node:test';

const require = createRequire(import.meta.url);
const { chromium } = require('playwright-core');
const axe = readFileSync(require.resolve('axe-core/axe.min.js'), 'utf8');
const [bin, folder, shots] = process.argv.slice(2);
const CLASSES = ['round', 'in_between', 'cigar', 'edge_on', 'spiral'];

// Serves a catalog at a port of the system's choice; ends when the test does.
async function serve(catalog, more = []) {
  const server = spawn(path.join(bin, 'galmorph-page'), ['--catalog', path.join(folder, catalog), '--listen', '127.0.0.1:0', ...more], { stdio: ['ignore', 'ignore', 'pipe'] });
  const lines = createInterface({ input: server.stderr });
  for await (const line of lines) {
    const found = line.match(/is at (http:\S+)/);
    if (found) {
      lines.on('line', (more) => { if (/panic/.test(more)) console.error(more); });
      server.stderr.resume();
      return {
        url: found[1],
        async stop() {
          const ended = once(server, 'exit');
          server.kill('SIGTERM');
          const [code] = await ended;
          assert.equal(code, 0, 'SIGTERM ends it well');
        },
      };
    }
  }
  throw new Error('galmorph-page did not begin');
}

const browser = await chromium.launch({
  executablePath: '/usr/bin/chromium',
  args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync'],
});
const main = await serve('galaxies.sqlite', ['--cache', path.join(folder, 'cache')]);

// A window in which nothing may fail, be blocked, or be asked for elsewhere. A picture that is refused is no fault.
async function open(server, { width = 1280, height = 860, scheme = 'light', reviewer, allowed = [] } = {}) {
  const context = await browser.newContext({ viewport: { width, height }, colorScheme: scheme });
  if (reviewer) await context.addCookies([{ name: 'galmorph-reviewer', value: reviewer, url: server.url }]);
  const page = await context.newPage();
  // A busy machine is no fault.
  page.setDefaultTimeout(120_000);
  const faults = [];
  page.on('pageerror', (error) => faults.push(`error: ${error}`));
  page.on('dialog', (dialog) => { faults.push(`a dialog: ${dialog.message()}`); dialog.dismiss(); });
  page.on('console', (message) => {
    const text = message.text();
    if (['error', 'warning'].includes(message.type()) && !allowed.some((part) => text.includes(part))) faults.push(text);
  });
  page.on('request', (request) => { if (!request.url().startsWith(new URL(server.url).origin)) faults.push(`a request: ${request.url()}`); });
  const to = (address) => page.goto(server.url + address, { waitUntil: 'networkidle' });
  const close = async () => { assert.deepEqual(faults, []); await context.close(); };
  return { page, to, close, context };
}

async function check(page, name) {
  const wider = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
  assert.ok(wider <= 0, `${name} is wider than the window by ${wider} px`);
  // axe runs by the debugger's protocol, which the page's policy does not bind.
  await page.evaluate(axe);
  const found = await page.evaluate(() => globalThis.axe.run(document, { resultTypes: ['violations'] }));
  const violations = found.violations.map((one) => `${one.id}: ${one.nodes.map((node) => node.html).join(' | ').slice(0, 400)}`);
  assert.deepEqual(violations, [], name);
  if (shots) await page.screenshot({ path: path.join(shots, `${name}.png`) });
}

const query = (statement) => JSON.parse(execFileSync('python3', ['-c',
  'import sqlite3, json, sys\nprint(json.dumps(sqlite3.connect(sys.argv[1]).execute(sys.argv[2]).fetchall()))',
  path.join(folder, 'galaxies.sqlite'), statement], { encoding: 'utf8' }));
const reviews = () => query('SELECT reviewer, label, queue, note FROM review ORDER BY id');

const VIEWS = ['/', '/galaxies', '/galaxies?label=spiral&min-confidence=0.2&flag=padded', '/galaxy/1', '/rejected',
  '/review', '/review?queue=least-sure', '/review?queue=random', '/review?queue=novel', '/estimates', '/nothing'];

for (const [scheme, width, height] of [['light', 1280, 860], ['dark', 1280, 860], ['light', 360, 740], ['dark', 360, 740], ['light', 2560, 1400]]) {
  test(`every view is sound in ${scheme} at ${width} pixels`, async () => {
    const { page, to, close } = await open(main, { scheme, width, height, reviewer: 'Ana', allowed: ['404'] });
    for (const view of VIEWS) {
      await to(view);
      await check(page, `${view.replace(/\W+/g, '-')}-${scheme}-${width}`);
    }
    await close();
  });
}

test('a gallery loads its pictures as one scrolls, and leads through all pages and back', async () => {
  const { page, to, close } = await open(main);
  await to('/galaxies?sort=object_id');
  const seen = async () => page.$$eval('.card .object', (all) => all.map((one) => one.textContent));
  const loaded = () => page.$$eval('.card img', (all) => all.filter((one) => one.naturalWidth > 0).length);
  const first = await seen();
  assert.equal(first.length, 60);
  assert.ok(await loaded() < 60, 'those below are not loaded');
  await page.evaluate(() => scrollTo(0, document.body.scrollHeight));
  await page.waitForFunction(() => [...document.querySelectorAll('.card img')].at(-1).naturalWidth > 0);
  await page.click('[rel=next]');
  const second = await seen();
  assert.equal(second.length, 91 - 60);
  assert.equal(await page.$('[rel=next]'), null);
  await page.click('[rel=prev]');
  assert.deepEqual(await seen(), first);
  assert.equal(new Set([...first, ...second]).size, 91 - 10, 'ten FITS files have the names of JPEGs');
  await close();
});

test('filters stand in the address and say what is wrong with them', async () => {
  const { page, to, close } = await open(main, { allowed: ['400'] });
  await to('/galaxies');
  await page.click('summary:has-text("More filters")');
  await page.fill('[name=min-confidence]', '0.3');
  await page.selectOption('[name=sort]', '-confidence');
  await page.click('button:has-text("Show")');
  await page.click('.classes a:has-text("spiral")');
  const address = new URL(page.url());
  assert.equal(address.searchParams.get('label'), 'spiral');
  assert.equal(address.searchParams.get('min-confidence'), '0.3');
  await page.reload();
  const numbers = await page.$$eval('.card b', (all) => all.map((one) => one.textContent));
  assert.ok(numbers.length > 0 && numbers.every((label) => label === 'spiral'));
  await page.click('.remove:has-text("label")');
  assert.equal(new URL(page.url()).searchParams.get('label'), null);
  await to('/galaxies?min-confidence=95');
  assert.match(await page.textContent('main'), /did you mean 0\.95/);
  await close();
});

test('names of files are text, whatever they look like', async () => {
  const { page, to, close } = await open(main);
  const [[id]] = query("SELECT id FROM cutout WHERE path LIKE '%onerror%'");
  await to(`/galaxy/${id}`);
  const text = await page.textContent('main');
  assert.ok(text.includes('<img src=x onerror=alert(1)> &amp; \\u{202e}'), text);
  assert.equal(await page.$('main img[src=x]'), null);
  await to('/rejected');
  assert.ok((await page.textContent('main')).includes('<script>alert(1)<.jpg'));
  assert.equal(await page.$('main script'), null);
  await close();
});

test('a galaxy has its image, its framing, its views and its links', async () => {
  const { page, to, close } = await open(main);
  const [[id, ra]] = query('SELECT id, ra FROM cutout WHERE ra IS NOT NULL LIMIT 1');
  await to(`/galaxy/${id}`);
  await page.waitForFunction(() => [...document.images].every((image) => image.naturalWidth > 0));
  // The frame, and what the model looks at.
  assert.equal(await page.$$eval('.overlay rect', (all) => all.length), 2);
  await page.uncheck('#overlay');
  assert.equal(await page.isVisible('.overlay'), false);
  const links = await page.$$eval('.links a', (all) => all.map((one) => one.href));
  assert.equal(links.length, 5);
  assert.ok(links.every((link) => link.includes(ra.toFixed(6))), links.join('\n'));
  await close();
});

for (const [scheme, width, height] of [['light', 1280, 1000], ['dark', 1280, 1000], ['light', 360, 740]]) {
  test(`a galaxy says why it has its class in ${scheme} at ${width} pixels`, async () => {
    const { page, to, close } = await open(main, { scheme, width, height });
    const [[id]] = query("SELECT id FROM cutout WHERE path LIKE '%/in/spiral-3.jpg' OR path LIKE '%/in/edge_on-1.jpg' ORDER BY label = 'spiral' DESC LIMIT 1");
    await to(`/galaxy/${id}`);
    await Promise.all([page.waitForURL(/why#why$/), page.click('#why .button')]);
    await page.waitForFunction(() => [...document.querySelectorAll('#why img')].every((image) => image.naturalWidth > 0));
    const alt = await page.getAttribute('#why img[src$="/map"]', 'alt');
    assert.match(alt, /^Occlusion map of .+ The answer is .+ probability .+ square/);
    const [[label]] = query(`SELECT label FROM cutout WHERE id = ${id}`);
    assert.ok(alt.includes(`The answer is ${label.replace('_', '-')}, `), alt);
    assert.match(await page.textContent('#why'), /Covered by a grey square/);
    await page.evaluate(() => document.querySelector('#why').scrollIntoView());
    await check(page, `why-${scheme}-${width}`);
    await close();
  });
}

test('without the model that answered there is no map', async () => {
  const other = await serve('galaxies.sqlite', ['--model', 'models/zhu2019-small.onnx']);
  const { page, to, close } = await open(other, { allowed: ['404'] });
  const [[id]] = query('SELECT id FROM cutout WHERE label IS NOT NULL LIMIT 1');
  await to(`/galaxy/${id}`);
  assert.match(await page.textContent('#why'), /No map: this answer is by galmorph-1 /);
  assert.equal(await page.$('#why a'), null);
  await check(page, 'why-not');
  await close();
  await other.stop();
});

test('a catalog that grows shows what arrived, and moves nothing that was there', async () => {
  const { page, to, close } = await open(main);
  await to('/galaxies?sort=-classified_at');
  await page.click('[rel=next]');
  const before = await page.$$eval('.card a', (all) => all.map((one) => one.href));
  const arrived = path.join(folder, 'in', 'later.jpg');
  execFileSync(path.join(bin, 'galmorph-mock'), ['--output', path.join(folder, 'more'), '--count', '1', '--seed', '99']);
  copyFileSync(path.join(folder, 'more', 'spiral-1.jpg'), arrived);
  const watched = spawnSync(path.join(bin, 'galmorph'), ['watch', path.join(folder, 'in'), '--drain', '--quiet', '--catalog', path.join(folder, 'galaxies.sqlite')]);
  assert.ok(watched.status <= 1, String(watched.stderr));
  await page.reload();
  assert.deepEqual(await page.$$eval('.card a', (all) => all.map((one) => one.href).slice(0, 20)), before.slice(0, 20));
  await to('/galaxies?sort=-classified_at');
  const names = await page.$$eval('.card .object', (all) => all.slice(0, 4).map((one) => one.textContent));
  assert.ok(names.includes('later'), names.join());
  await close();
});

test('a file that is gone, changed or no longer watched is not shown', async () => {
  const { page, to, close } = await open(main, { allowed: ['404', '409'] });
  const [[gone, file], [changed, other]] = query("SELECT id, path FROM cutout WHERE label IS NOT NULL AND path LIKE '%cigar-1_.jpg' ORDER BY id LIMIT 2");
  renameSync(file, `${file}.away`);
  copyFileSync(file.replace(/cigar-\d+/, 'spiral-1'), other);
  for (const [id, status, why] of [[gone, 404, 'the file is gone'], [changed, 409, 'the file has changed']]) {
    const answer = await page.request.get(`${main.url}/thumbnail/${id}`);
    assert.equal(answer.status(), status);
    assert.ok((await answer.text()).includes(why));
    await to(`/galaxy/${id}`);
    assert.ok((await page.textContent('main')).includes('Provenance'));
  }
  renameSync(`${file}.away`, file);
  assert.equal((await page.request.get(`${main.url}/thumbnail/${gone}`)).status(), 200);
  await close();
});

test('every key does what it says, and an undo takes it back', async () => {
  // One of the files is another one by now.
  const { page, to, close } = await open(main, { allowed: ['409'] });
  await to('/review?queue=least-sure');
  await page.fill('[name=name]', 'Ana Núñez');
  await Promise.all([page.waitForURL(/queue=least-sure/), page.click('button:has-text("Begin")')]);
  await page.waitForSelector('#judge');
  const shown = () => page.textContent('.left .object');
  const press = (key) => Promise.all([page.waitForNavigation(), page.keyboard.press(key)]);
  const first = await shown();
  for (const [at, key] of ['1', '2', '3', '4', '5', '0'].entries()) {
    const before = await shown();
    await press(key);
    const [who, label, queue] = reviews().at(-1);
    assert.deepEqual([who, label, queue], ['Ana Núñez', CLASSES[Number(key) - 1] ?? 'none', 'least-sure']);
    assert.equal(reviews().length, at + 1);
    assert.notEqual(await shown(), before);
  }
  // A note goes with the word that follows it.
  await page.keyboard.press('n');
  assert.equal(await page.evaluate(() => document.activeElement.id), 'note');
  await page.keyboard.type('1 dust lane <b>');
  await page.keyboard.press('Enter');
  assert.equal(reviews().length, 6, 'digits in a note are no words');
  await press('4');
  assert.equal(reviews().at(-1)[3], '1 dust lane <b>');
  // To skip is to say nothing.
  const skipped = await shown();
  await press('s');
  assert.notEqual(await shown(), skipped);
  assert.equal(reviews().length, 7);
  await page.reload();
  assert.notEqual(await shown(), skipped, 'a reload stays where one was');
  // Two steps back.
  await press('u');
  assert.deepEqual(reviews().at(-1).slice(1, 2), [null]);
  await press('u');
  assert.equal(reviews().length, 9);
  assert.match(page.url(), /show=/);
  await to('/review?queue=least-sure');
  assert.notEqual(await shown(), first, 'what was judged is not shown again');
  await close();
});

test('a word on a galaxy that was judged before is taken back to that word', async () => {
  const { page, to, close } = await open(main, { reviewer: 'Bo', allowed: ['409'] });
  await to('/galaxy/3');
  await Promise.all([page.waitForNavigation(), page.keyboard.press('5')]);
  assert.equal(await page.getAttribute('[data-key="5"]', 'aria-pressed'), 'true');
  await to('/review?queue=least-sure&show=3');
  await Promise.all([page.waitForNavigation(), page.keyboard.press('2')]);
  await Promise.all([page.waitForNavigation(), page.keyboard.press('u')]);
  assert.deepEqual(reviews().filter(([who]) => who === 'Bo').map(([, label]) => label), ['spiral', 'in_between', 'spiral']);
  await close();
});

test('the random sample is blind, the same for all, and gives estimates', async () => {
  const names = [];
  for (const reviewer of ['Ana', 'Bo']) {
    const { page, to, close } = await open(main, { reviewer, allowed: ['409'] });
    await to('/review?queue=random');
    assert.equal(await page.isVisible('.answer'), false);
    names.push(await page.textContent('.left .object'));
    for (let done = 0; done < 12; done += 1) {
      const id = Number(await page.getAttribute('#judge [name=id]', 'value'));
      const [[label]] = query(`SELECT label FROM cutout WHERE id = ${id}`);
      const key = String(CLASSES.indexOf(label) + 1);
      await Promise.all([page.waitForNavigation(), page.keyboard.press(reviewer === 'Bo' && done === 0 ? '0' : key)]);
    }
    await to('/estimates');
    const text = await page.textContent('main');
    assert.match(text, reviewer === 'Ana' ? /100\.0 % \(75\.\d–100\.0\) of the labels/ : /91\.7 % \(64\.6–98\.5\) of the labels/);
    await check(page, `estimates-of-${reviewer}`);
    await close();
  }
  assert.equal(names[0], names[1]);
  const { page, to, close } = await open(main);
  await to('/estimates');
  assert.match(await page.textContent('main'), /11 of 12/, 'the two agree on eleven');
  await close();
});

test('rejected files are tried again when asked', async () => {
  const { page, to, close } = await open(main);
  await to('/rejected');
  await page.click('.classes a:has-text("broken")');
  await Promise.all([page.waitForNavigation(), page.click('button:has-text("Try these again")')]);
  assert.match(await page.textContent('[role=status]'), /1 queued for another try/);
  assert.deepEqual(query('SELECT reason FROM cutout WHERE retry IS NOT NULL'), [['broken']]);
  await close();
});

test('a selection is downloaded in every format', async () => {
  const { page, to, close } = await open(main);
  await to('/galaxies?label=spiral');
  await page.click('summary:has-text("Download")');
  await check(page, 'download');
  const links = await page.$$eval('.panel a', (all) => all.map((one) => one.href));
  assert.equal(links.length, 7);
  const [[count]] = query("SELECT count(*) FROM catalog WHERE label = 'spiral'");
  for (const link of links) {
    const answer = await page.request.get(link);
    assert.equal(answer.status(), 200, link);
    assert.equal((await answer.body()).length, Number(answer.headers()['content-length']));
    if (link.includes('format=csv')) assert.equal((await answer.text()).trim().split('\n').filter((line) => line.includes('spiral,')).length >= count, true);
  }
  await close();
});

test('an empty catalog says so, everywhere', async () => {
  const empty = await serve('empty.sqlite');
  const { page, to, close } = await open(empty, { reviewer: 'Ana' });
  for (const [view, said] of [['/', 'This catalog is empty'], ['/galaxies', 'No galaxy has been classified yet'],
    ['/rejected', 'No file was rejected'], ['/review?queue=least-sure', 'Nothing is left'], ['/review?queue=random', 'Nothing is left'],
    ['/estimates', 'Nobody has reviewed']]) {
    await to(view);
    assert.ok((await page.textContent('main')).includes(said), view);
    await check(page, `empty${view.replace(/\W+/g, '-')}`);
  }
  await close();
  await empty.stop();
});

test('below a base path every link stays below it', async () => {
  const below = await serve('galaxies.sqlite', ['--base-path', '/a/b']);
  const { page, to, close } = await open(below, { reviewer: 'Ana', allowed: ['409'] });
  for (const view of ['/', '/galaxies', '/galaxy/2', '/review?queue=least-sure', '/rejected']) {
    await to(view);
    const outside = await page.$$eval('[href], [src], [action]', (all) => all
      .map((one) => one.getAttribute('href') ?? one.getAttribute('src') ?? one.getAttribute('action'))
      .filter((address) => address.startsWith('/') && !address.startsWith('/a/b/')));
    assert.deepEqual(outside, []);
  }
  await to('/review?queue=least-sure');
  await Promise.all([page.waitForNavigation(), page.keyboard.press('1')]);
  assert.ok(page.url().includes('/a/b/review?'));
  await close();
  await below.stop();
});

test('it works without a script, too', async () => {
  const context = await browser.newContext({ javaScriptEnabled: false });
  await context.addCookies([{ name: 'galmorph-reviewer', value: 'Cleo', url: main.url }]);
  const page = await context.newPage();
  await page.goto(`${main.url}/review?queue=least-sure`);
  await Promise.all([page.waitForNavigation(), page.click('button:has-text("edge-on")')]);
  assert.deepEqual(reviews().at(-1).slice(0, 2), ['Cleo', 'edge_on']);
  await Promise.all([page.waitForNavigation(), page.click('button:has-text("undo")')]);
  assert.deepEqual(reviews().at(-1).slice(0, 2), ['Cleo', null]);
  await context.close();
});

test('a page that stands alone asks for nothing', async () => {
  const file = path.join(folder, 'alone.html');
  execFileSync(path.join(bin, 'galmorph-page'), ['--catalog', path.join(folder, 'galaxies.sqlite'), '--export', file, '--select', 'label=spiral&sort=-confidence', '--limit', '12']);
  const context = await browser.newContext({ viewport: { width: 900, height: 700 } });
  const page = await context.newPage();
  const requests = [];
  page.on('request', (request) => { if (!request.url().startsWith('data:') && request.url() !== `file://${file}`) requests.push(request.url()); });
  await page.goto(`file://${file}`);
  assert.equal(await page.$$eval('.card img', (all) => all.filter((one) => one.complete && one.naturalWidth > 0).length), 12);
  await check(page, 'alone');
  assert.deepEqual(requests, []);
  assert.ok(statSync(file).size < 400_000);
  await context.close();
});

test.after(async () => {
  await browser.close();
  await main.stop();
});
