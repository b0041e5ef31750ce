"""parliament on the policy from standard input: CPU of one analysis, as a JSON line."""
import json, sys, time

import parliament

text = sys.stdin.read()
parliament.analyze_policy_string(text)
rounds = []
for _ in range(5):
    before = time.process_time()
    for _ in range(3):
        parliament.analyze_policy_string(text)
    rounds.append((time.process_time() - before) / 3 * 1e9)
rounds.sort()
print(json.dumps({"what": "peer parliament, 6 KB", "ns": rounds[2], "least": rounds[0], "most": rounds[4], "per_s": 1e9 / rounds[2]}))
