// What policies mean, by the table of cases, through `explain`.

import t from 'tap';
import { J, sections } from './case-table.ts';
import { ask, policyOf } from './judge.ts';

for (const [section, cases] of Object.entries(sections)) {
  void t.test(section, (t) => {
    for (const [title, text, rows, files] of cases) {
      const policy = policyOf(text, files);
      for (const [who, question, answer] of rows) {
        t.equal(ask(policy, who, question), answer, `${title}: ${question}`);
      }
    }
    t.end();
  });
}

void t.test('the order of rules and scopes never matters', (t) => {
  const rules = [
    '{id: a, host: "**.x.example", methods: any}',
    '{id: b, host: p.x.example, action: block}',
    '{id: c, host: q.x.example, paths: /no, action: block}',
  ];
  const questions = ['GET https://p.x.example/', 'GET https://q.x.example/no', 'GET https://q.x.example/yes'];
  const orders = [
    [0, 1, 2],
    [0, 2, 1],
    [1, 0, 2],
    [1, 2, 0],
    [2, 0, 1],
    [2, 1, 0],
  ];
  for (const order of orders) {
    const policy = policyOf(`http: [${order.map((index) => rules[index]).join(', ')}]`);
    t.same(
      questions.map((question) => ask(policy, J, question)),
      ['block block-rule b', 'block block-rule c', 'allow a'],
    );
  }
  t.end();
});
