/**
 * `agent audit`: the audit rules of a node follow a folder, and come back as they were. Against the kernel's own audit where
 * it lets us, in a mount namespace with an `/etc/audit` of the test's own; else files of another root.
 */
import { deepStrictEqual, match, ok, strictEqual } from "node:assert/strict";
import { join } from "node:path";
import { applyRules, type NodeOptions, readRulesStatus, revertRules } from "../../src/audit_rules/node_rules.ts";
import { defaultRules, type RuleFiles } from "../../src/audit_rules/default_rules.ts";
import { readRuleFiles, rulesPaths } from "../../src/audit_rules/rules_folder.ts";
import { readWanted } from "../../src/commands/audit_wanted.ts";
import { agentCommand } from "../peers/agent.ts";
import { RunningProgram, runProgram } from "../peers/process.ts";
import { needs, onlyIf } from "../peers/skip.ts";

const before: RuleFiles = { "audit.rules": "-D\n-b 320\n" };

/** The disk of a node with rules of its own. */
function makeRoot(): string {
  const root = Deno.makeTempDirSync({ prefix: "audit" });
  Deno.mkdirSync(join(root, "etc/audit/rules.d"), { recursive: true });
  for (const [name, text] of Object.entries(before)) {
    Deno.writeTextFileSync(join(root, "etc/audit/rules.d", name), text);
  }
  return root;
}

/** Runs with a node whose kernel takes what `load` says. */
async function withNode(
  answer: () => "loaded" | "failed",
  run: (node: NodeOptions & { loads: () => readonly RuleFiles[] }) => Promise<void>,
): Promise<void> {
  const root = makeRoot();
  const loads: RuleFiles[] = [];
  const load = () => {
    loads.push(readRuleFiles(rulesPaths(root).rules) ?? {});
    const state = answer();
    return Promise.resolve({ state, text: state === "failed" ? "line 1 is wrong" : "" });
  };
  try {
    await run({ root, metricFile: "/var/lib/rules.prom", load, loads: () => loads });
  } finally {
    Deno.removeSync(root, { recursive: true });
  }
}

function filesOf({ root }: NodeOptions): RuleFiles {
  return readRuleFiles(rulesPaths(root).rules)!;
}

Deno.test("applyRules() follows what is wanted, loads once, and revertRules() leaves nothing behind", async () => {
  await withNode(() => "loaded", async (node) => {
    Deno.mkdirSync(join(node.root, "var/lib"), { recursive: true });
    const names = (): string[] => [...Deno.readDirSync(join(node.root, "etc/audit"))].map(({ name }) => name).sort();
    deepStrictEqual(await applyRules(defaultRules, node), { changed: true, load: "loaded", text: "" });
    deepStrictEqual(filesOf(node), defaultRules);
    strictEqual((await applyRules(defaultRules, node)).load, "unchanged");
    match(Deno.readTextFileSync(join(node.root, "var/lib/rules.prom")), /^rsyslog_augenrules_load_success 1$/m);
    Deno.writeTextFileSync(join(rulesPaths(node.root).rules, "by_hand.rules"), "-D\n");
    strictEqual((await applyRules(defaultRules, node)).changed, true);
    const { kept, inStep, loaded } = readRulesStatus(node, defaultRules);
    deepStrictEqual([kept, inStep, loaded], [true, true, true]);
    strictEqual((await revertRules(node)).changed, true);
    deepStrictEqual([filesOf(node), names()], [before, ["rules.d"]]);
    deepStrictEqual(node.loads(), [defaultRules, defaultRules, before]);
    deepStrictEqual(await revertRules(node), { changed: false, load: "unchanged", text: "" });
  });
});

Deno.test("applyRules() takes back what the kernel refuses, and does not try it again at once", async () => {
  let answer: "loaded" | "failed" = "loaded";
  await withNode(() => answer, async (node) => {
    const good: RuleFiles = { "10-good.rules": "-D\n" };
    await applyRules(good, node);
    answer = "failed";
    const wrong: RuleFiles = { "10-good.rules": "-D\n", "20-wrong.rules": "-a never,never\n" };
    deepStrictEqual(await applyRules(wrong, node), { changed: false, load: "failed", text: "line 1 is wrong" });
    deepStrictEqual(filesOf(node), good);
    deepStrictEqual(node.loads(), [good, wrong, good]);
    strictEqual((await applyRules(wrong, node)).load, "failed");
    strictEqual(node.loads().length, 3);
    answer = "loaded";
    strictEqual((await applyRules(good, node)).load, "loaded");
    await revertRules(node);
    deepStrictEqual(filesOf(node), before);
  });
});

Deno.test("applyRules() changes nothing for half a file, no file, or what is no rule", async () => {
  await withNode(() => "loaded", async (node) => {
    for (
      const wanted of [{}, { "a.rules": "-D" }, { "a.rules": "rm -rf /\n" }, { "a.rules": "-R /x\n" }, {
        "a b.rules": "",
      }]
    ) {
      const said = await applyRules(wanted as RuleFiles, node).then(() => "", (error) => error.message);
      match(said, /^Cannot use audit rules/);
    }
    deepStrictEqual([filesOf(node), node.loads()], [before, []]);
  });
});

Deno.test("readWanted() reads folders, Auditd documents and rules, and refuses what is half there", async () => {
  const folder = Deno.makeTempDirSync();
  try {
    Deno.writeTextFileSync(join(folder, "10-a.rules"), "-D\n");
    Deno.writeTextFileSync(
      join(folder, "auditd"),
      "apiVersion: rsyslog-relp.extensions.gardener.cloud/v1alpha1\nkind: Auditd\nauditRules: -f 1\n",
    );
    const own = { "00_shoot_rsyslog_relp.rules": "-f 1\n" };
    deepStrictEqual(await readWanted({ path: folder }), { "10-a.rules": "-D\n", ...own });
    deepStrictEqual(await readWanted({ path: join(folder, "auditd") }), own);
    deepStrictEqual(await readWanted({ rules: "-f 1" }), own);
    deepStrictEqual(await readWanted({}), defaultRules);
    Deno.writeTextFileSync(join(folder, "auditd"), "kind: Auditd\nauditRul");
    const said = await readWanted({ path: folder }).then(() => "", (error) => error.message);
    match(said, /^Cannot read audit rules/);
  } finally {
    Deno.removeSync(folder, { recursive: true });
  }
});

Deno.test("agent audit, killed at any moment, leaves all old or all new rules, and the next call goes on", async () => {
  const root = makeRoot();
  const wanted = join(root, "wanted");
  try {
    Deno.mkdirSync(wanted);
    let applied = 0;
    for (let i = 0; i < 16; i++) {
      const now = Object.fromEntries(Array.from({ length: 30 }, (_, n) => [`${n}.rules`, `# ${i}\n-f 1\n`]));
      for (const [name, text] of Object.entries(now)) Deno.writeTextFileSync(join(wanted, name), text);
      const { rules, fresh, old: aside } = rulesPaths(root);
      const old = readRuleFiles(rules) ?? readRuleFiles(aside); // between two renames it stands aside
      const { command, args } = agentCommand(["audit", "apply", "--root", root, "--rules-dir", wanted]);
      await using program = RunningProgram.start(command, args);
      // Killed as soon as it has begun, some steps later each time.
      const seen = [fresh, aside][i % 2]!;
      for (let n = 0; program.status === undefined && !exists(seen) && n < 5_000; n++) await pauseMs(1);
      for (let n = 0; n < i; n++) exists(seen);
      await program.kill();
      const files = readRuleFiles(rules) ?? readRuleFiles(aside);
      const isNew = JSON.stringify(files) === JSON.stringify(readRuleFiles(wanted));
      ok(isNew || JSON.stringify(files) === JSON.stringify(old), `half rules after kill ${i}`);
      if (isNew) applied++;
    }
    ok(applied < 16, "no kill came before the exchange");
    const { command, args } = agentCommand(["audit", "apply", "--root", root, "--rules-dir", wanted]);
    await runProgram(command, args, { expectCode: 3 });
    deepStrictEqual(readRuleFiles(rulesPaths(root).rules), readRuleFiles(wanted));
    await runProgram(command, [...args.slice(0, args.indexOf("apply")), "revert", "--root", root], { expectCode: 3 });
    deepStrictEqual(readRuleFiles(rulesPaths(root).rules), before);
  } finally {
    Deno.removeSync(root, { recursive: true });
  }
});

const auditWorks = !needs("auditctl", "augenrules", "unshare", "root").ignore &&
  new Deno.Command("auditctl", { args: ["-s"] }).outputSync().success;

Deno.test({
  name: "ship keeps the rules in the kernel, and a reload without them puts them back after what is queued",
  ...onlyIf(auditWorks, "needs auditd, root and a kernel with audit"),
  fn: async () => {
    const folder = Deno.makeTempDirSync({ prefix: "auditship" });
    try {
      const wanted = join(folder, "wanted");
      Deno.mkdirSync(wanted);
      Deno.mkdirSync(join(folder, "audit/rules.d"), { recursive: true });
      Deno.writeTextFileSync(join(folder, "audit/rules.d/audit.rules"), "-D\n");
      const rule = (key: string): string => `-D\n-a always,exit -F arch=b64 -S mount_setattr -F key=${key}\n`;
      Deno.writeTextFileSync(join(wanted, "10.rules"), rule("agent_test_a"));
      const config = join(folder, "agent.yaml");
      const base = `state: ${folder}/state\nsources: {a: {type: file, include: ["${folder}/none"]}}\n` +
        `sinks: {out: {type: file, dir: ${folder}/out}}\nstatus: {listen: "unix:${folder}/s.sock"}\n`;
      const keys = `auditRules: {dir: ${wanted}, interval: 1s, metricFile: ${folder}/rules.prom}\n`;
      Deno.writeTextFileSync(config, base + keys);
      const { command, args } = agentCommand(["ship", "--config", config]);
      const script = 'mount --bind "$0" /etc/audit && exec "$@"';
      await using agent = RunningProgram.start("unshare", [
        "-m",
        "sh",
        "-c",
        script,
        `${folder}/audit`,
        command,
        ...args,
      ]);
      const has = (key: string) => kernelRules().includes(`key=${key}`);
      await agent.waitUntil(() => has("agent_test_a"), "the first rule in the kernel");
      await agent.waitUntil(() => /success 1$/m.test(readIfThere(`${folder}/rules.prom`)), "the metric");
      Deno.writeTextFileSync(join(wanted, "10.rules"), rule("agent_test_b"));
      await agent.waitUntil(() => has("agent_test_b") && !has("agent_test_a"), "the second rule in place of the first");
      const { stdout } = await runProgram(...statusWords(`${folder}/s.sock`));
      strictEqual(JSON.parse(stdout).auditRulesLoaded, true, stdout);
      Deno.writeTextFileSync(join(wanted, "10.rules"), rule("agent_test_c") + "-a always,exit -S nosuchcall\n");
      await agent.waitForOutput(/not loaded: Syscall name unknown/);
      await agent.waitUntil(() => has("agent_test_b") && !has("agent_test_c"), "the old rule after a refusal");
      Deno.writeTextFileSync(config, base);
      agent.signal("SIGHUP");
      await agent.waitForOutput(/as they were before/);
      ok(!has("agent_test_b"), kernelRules());
      deepStrictEqual([...Deno.readDirSync(`${folder}/audit/rules.d`)].map(({ name }) => name), ["audit.rules"]);
    } finally {
      new Deno.Command("auditctl", { args: ["-D"], stdout: "null" }).outputSync();
      Deno.removeSync(folder, { recursive: true });
    }
  },
});

function statusWords(socket: string): [string, string[]] {
  const { command, args } = agentCommand(["status", "--json", "--address", `unix:${socket}`]);
  return [command, args];
}

function kernelRules(): string {
  return new TextDecoder().decode(new Deno.Command("auditctl", { args: ["-l"] }).outputSync().stdout);
}

function readIfThere(path: string): string {
  try {
    return Deno.readTextFileSync(path);
  } catch {
    return "";
  }
}

function exists(path: string): boolean {
  try {
    Deno.lstatSync(path);
    return true;
  } catch {
    return false;
  }
}

function pauseMs(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
