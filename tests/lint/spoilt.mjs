// What each linter has to notice: {linter, text, says}.
const job = (steps, more = '') => `on: push\npermissions: {}\njobs:\n  only:\n    runs-on: ubuntu-latest\n    timeout-minutes: 5\n${more}    steps:\n${steps.replace(/^(?=.)/gm, '      ')}\n`;
const action = (inputs, step) => `name: x\ndescription: x\n${inputs}runs:\n  using: composite\n  steps:\n    - ${step.replaceAll('\n', '\n      ')}\n`;
const ACTION = 'actions/x/action.yml';
const OWN = 'private-cloud-actions/private-cloud-actions';

export const SPOILT = [
  { linter: 'github', text: 'on: push\njobs:\n  only: {runs-on: x, steps: [{runs: "true"}]}\n', says: /Unexpected value 'runs'/ },
  { linter: 'github', text: job('- run: echo\n  if: needless()'), says: /needless/ },
  { linter: 'github', name: ACTION, text: action('', 'run: exec true'), says: /shell/ },
  { linter: 'github', name: ACTION, text: action('', 'run: exec true\nshell: sh\ntimeout-minutes: 5'), says: /timeout-minutes/ },
  { linter: 'actionlint', text: job('- run: echo', '    needs: [absent]\n'), says: /absent/ },
  { linter: 'actionlint', text: job('- run: echo "${{ github.event.pull_request.title }}"'), says: /untrusted/ },
  { linter: 'actionlint', text: 'on: {push: {brnches: [x]}}\njobs: {a: {runs-on: ubuntu-latest, steps: [{run: echo}]}}\n', says: /brnches/ },
  { linter: 'shellcheck', text: job('- run: cd "$x"; rm -rf $(ls)'), says: /SC2046/ },
  { linter: 'rules', text: job('- run: echo ${{ github.sha }}'), says: /expression in run/ },
  { linter: 'rules', text: job('- uses: octo/cat@v1'), says: /not pinned/ },
  { linter: 'rules', text: job(`- uses: ${OWN}/actions/tunnel-ssh@TAG\n  with: {hosst: x}`), says: /no input hosst/ },
  { linter: 'rules', text: job(`- uses: ${OWN}/actions/tunnel-ssh@TAG`), says: /needs the input host/ },
  { linter: 'rules', text: job(`- uses: ${OWN}/actions/tunnel-shh@TAG`), says: /is not there/ },
  { linter: 'rules', text: job(`- uses: ${OWN}/actions/deploy-policy@main`), says: /is not of v/ },
  { linter: 'rules', text: job(`- uses: ${OWN}/actions/deploy-policy@TAG\n- uses: ${OWN}/actions/deploy-policy@RELEASE`), says: /is not of v\d+\.\d+\.\d+/ },
  { linter: 'rules', text: job(`- id: a\n  uses: ${OWN}/actions/deploy-policy@TAG\n- if: steps.a.outputs.klass\n  run: echo`).replace('steps.a.outputs.klass', '${{ steps.a.outputs.klass }}'), says: /no output klass/ },
  { linter: 'rules', text: job('- run: echo\n  if: ${{ steps.a.outcome }}'), says: /no step a/ },
  { linter: 'rules', text: job('- run: echo\n  if: ${{ needs.a.outputs.b }}'), says: /output b/ },
  { linter: 'rules', text: 'on: push\njobs: {a: {runs-on: x, steps: []}}\n', says: /all permissions/ },
  { linter: 'rules', text: 'on: push\njobs: {a: {runs-on: x, steps: {uses: no list}}}\n', says: /all permissions/ },
  { linter: 'github', text: 'on: push\njobs: {a: {runs-on: x, steps: {uses: no list}}}\n', says: /mapping/ },
  { linter: 'rules', text: 'on: push\npermissions: {}\njobs: {a: {runs-on: x, steps: []}}\n', says: /no timeout-minutes/ },
  { linter: 'rules', text: 'on: {workflow_call: {inputs: {a: {type: string}}}}\npermissions: {}\njobs: {}\n', says: /no description/ },
  { linter: 'rules', name: ACTION, text: action('', 'run: exec true\nshell: sh\nenv: {INPUT_A: "${{ inputs.a }}"}'), says: /a is not declared/ },
  { linter: 'rules', name: ACTION, text: action('inputs: {a: {description: x}}\n', 'run: exec true\nshell: sh'), says: /a is never used/ },
  { linter: 'rules', name: ACTION, text: action('inputs: {a: {description: x}}\n', 'run: exec true\nshell: sh\nenv: {INPUT_B: "${{ inputs.a }}"}'), says: /INPUT_B is given the input a/ },
  { linter: 'rules', name: ACTION, text: action('inputs: {a: {description: x}}\n', 'run: exec true\nshell: sh\nenv: {INPUT_A: "x${{ inputs.a }}"}'), says: /not a plain input/ },
  { linter: 'rules', name: ACTION, text: action('', 'run: sleep 5\nshell: sh'), says: /does not end in exec/ },
  { linter: 'rules', name: ACTION, text: action('', 'uses: ./actions/tunnel-ssh\nwith: {host: x}'), says: /in the workspace/ },
];
