// Drives a GTP engine as Sabaki does, with its own controller, and judges the moves with its board.
//
//     NODE_PATH=.../node_modules node sabaki_controller.js PROGRAM ARGUMENTS...
//
// Ends with 0 if all went well; what went wrong is on stderr.

const assert = require('assert')
const {Controller, ControllerStateTracker} = require('@sabaki/gtp')
const GoBoard = require('@sabaki/go-board')

const [program, ...args] = process.argv.slice(2)
const controller = new Controller(program, args)
const tracker = new ControllerStateTracker(controller)
const sent = []
controller.on('command-sent', ({command}) => sent.push([command.name, ...command.args].join(' ')))

const play = (color, vertex) => ({name: 'play', args: [color, vertex]})

// The moves of a line of analysis, read as Sabaki reads them.
function readAnalysis(line) {
  return line
    .split(/\s*info\s+/)
    .slice(1)
    .map(part => part.trim())
    .map(part => {
      const pv = part.match(/(pass|[A-Za-z]\d+)(\s+(pass|[A-Za-z]\d+))*$/)[0]
      const tokens = part.slice(0, -pv.length).trim().split(/\s+/).slice(0, -1)
      const keys = tokens.filter((_, i) => i % 2 === 0)
      return Object.fromEntries([
        ...keys.map((key, i) => [key, tokens[2 * i + 1]]),
        ['pv', pv.split(/\s+/)]
      ])
    })
}

async function start() {
  controller.start()
  const names = ['name', 'version', 'protocol_version', 'list_commands']
  const answers = await Promise.all(names.map(name => controller.sendCommand({name})))
  assert(answers.every(answer => !answer.error))
  assert.strictEqual(answers[2].content, '2')
  const commands = answers[3].content.split('\n')
  for (const name of ['undo', 'set_free_handicap', 'analyze', 'genmove_analyze', 'quit']) {
    assert(commands.includes(name), name)
  }
}

async function synchronise() {
  const state = history => ({komi: 6.5, boardsize: [9, 9], history})
  const common = [play('B', 'E5'), play('W', 'C3'), play('B', 'G7'), play('W', 'pass')]
  await tracker.sync(state([...common, play('B', 'G3'), play('W', 'C7')]))
  sent.length = 0
  await tracker.sync(state([...common, play('B', 'C7'), play('B', 'G3')]))
  assert.deepStrictEqual(sent, ['undo', 'undo', 'play B C7', 'play B G3'])
  const {content} = await controller.sendCommand({name: 'list_stones', args: ['b']})
  assert.deepStrictEqual(content.split(' ').sort(), ['C7', 'E5', 'G3', 'G7'])
  await assert.rejects(tracker.sync(state([play('B', 'E5'), play('W', 'E5')])))
}

async function handicap() {
  const stones = {name: 'set_free_handicap', args: ['C3', 'G7', 'E5']}
  await tracker.sync({komi: 0.5, boardsize: [9, 9], history: [stones, play('W', 'C7')]})
  sent.length = 0
  await tracker.sync({komi: 0.5, boardsize: [9, 9], history: [stones, play('W', 'G3')]})
  const {content} = await controller.sendCommand({name: 'list_stones', args: ['b']})
  assert.deepStrictEqual(content.split(' ').sort(), ['C3', 'E5', 'G7'])
}

async function analyse() {
  let lines = 0
  let stopped = null
  const analysis = controller.sendCommand({name: 'analyze', args: ['B', '5']}, ({line}) => {
    if (!line.startsWith('info ')) return
    lines++
    for (const move of readAnalysis(line)) {
      assert.strictEqual(move.pv[0], move.move)
      assert(+move.visits >= 0 && +move.winrate >= 0 && +move.winrate <= 10000)
      assert(!move.winrate.includes('.')) // Sabaki takes whole numbers for ten-thousandths
    }
    if (lines === 3) stopped = controller.sendCommand({name: 'protocol_version'})
  })
  assert(!(await analysis).error)
  assert(lines >= 3)
  assert.strictEqual((await stopped).content, '2')
}

async function selfPlay() {
  await tracker.sync({komi: 6.5, boardsize: [9, 9], history: []})
  await controller.sendCommand({name: 'kgs-rules', args: ['chinese']})
  let board = GoBoard.fromDimensions(9)
  let passes = 0
  let moves = 0
  for (let sign = 1; passes < 2; sign = -sign) {
    const color = sign > 0 ? 'B' : 'W'
    let move = null
    await controller.sendCommand({name: 'genmove_analyze', args: [color, '50']}, ({line}) => {
      if (line.startsWith('play ')) move = line.slice(5).trim()
    })
    assert(move != null, 'no move')
    if (move === 'resign') break
    passes = move === 'pass' ? passes + 1 : 0
    if (move !== 'pass') {
      const vertex = board.parseVertex(move)
      const checks = {preventOverwrite: true, preventSuicide: true, preventKo: true}
      board = board.makeMove(sign, vertex, checks)
    }
    assert(++moves < 500, 'the game does not end')
  }
  const stones = async color => {
    const {content} = await controller.sendCommand({name: 'list_stones', args: [color]})
    return content.split(' ').filter(Boolean).sort()
  }
  for (const [color, sign] of [['b', 1], ['w', -1]]) {
    const expected = []
    board.signMap.forEach((row, y) =>
      row.forEach((stone, x) => {
        if (stone === sign) expected.push(board.stringifyVertex([x, y]))
      })
    )
    assert.deepStrictEqual(await stones(color), expected.sort())
  }
}

async function quit() {
  const exited = new Promise(resolve =>
    controller.process.once('exit', (code, signal) => resolve([code, signal]))
  )
  await controller.stop(3000)
  assert.deepStrictEqual(await exited, [0, null])
}

async function main() {
  for (const step of [start, synchronise, handicap, analyse, selfPlay, quit]) {
    await step()
    console.log(step.name)
  }
}

main().catch(error => {
  console.error(error)
  controller.kill()
  process.exit(1)
})
