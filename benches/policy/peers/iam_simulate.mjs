// @cloud-copilot/iam-simulate on the policy from standard input: CPU of one evaluation, as a JSON line.
import { readFileSync } from 'node:fs';
import { runSimulation } from '@cloud-copilot/iam-simulate';

const simulation = {
  request: {
    principal: 'arn:aws:iam::123456789012:user/ann',
    action: 's3:GetObject',
    resource: { resource: 'arn:aws:s3:::reports/2026/q1.csv', accountId: '123456789012' },
    contextVariables: { 'aws:SecureTransport': 'true' },
  },
  identityPolicies: [{ name: 'p', policy: JSON.parse(readFileSync(0, 'utf8')) }],
  serviceControlPolicies: [],
  resourceControlPolicies: [],
};

const first = JSON.stringify(await runSimulation(simulation, {}));
if (!first.includes('"Allowed"')) throw new Error(`not allowed: ${first.slice(0, 300)}`);
for (let warm = 0; warm < 300; warm++) await runSimulation(simulation, {});
const rounds = [];
for (let round = 0; round < 7; round++) {
  const before = process.cpuUsage();
  for (let n = 0; n < 300; n++) await runSimulation(simulation, {});
  const used = process.cpuUsage(before);
  rounds.push(((used.user + used.system) / 300) * 1000);
}
rounds.sort((a, b) => a - b);
console.log(JSON.stringify({
  what: 'peer iam-simulate, 10 statements', ns: rounds[3], least: rounds[0], most: rounds[6], per_s: 1e9 / rounds[3],
}));
