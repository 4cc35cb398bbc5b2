package supervise

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"

	"github.com/heapstate/heapstate/examples/internal/protocol"
)

// process is one worker process.
type process struct {
	cmd      *exec.Cmd
	commands io.WriteCloser
	encoder  *protocol.Writer
	events   *json.Decoder
}

// start starts this program again as a worker: env is set in its environment. lend, if not nil, may add to the command. The process is to be
// waited for.
func start(env string, lend func(*exec.Cmd), first *protocol.Start) (*process, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(self)
	cmd.Env = append(os.Environ(), env+"=1")
	cmd.Stderr = os.Stderr
	if lend != nil {
		lend(cmd)
	}
	commands, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	events, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start the worker process: %w", err)
	}
	p := &process{cmd: cmd, commands: commands, encoder: protocol.NewWriter(commands), events: json.NewDecoder(events)}
	if err := p.encoder.Write(first); err != nil {
		p.kill()
		return nil, errors.Join(fmt.Errorf("start the worker process: %w", err), p.wait())
	}
	return p, nil
}

// command tells the worker something. A worker that is gone does not hear it;
// that shows where its events end.
func (p *process) command(c protocol.Command) { _ = p.encoder.Write(c) }

// kill sends SIGKILL, or what is like it. A process that has ended already stays so.
func (p *process) kill() { _ = p.cmd.Process.Kill() }

// wait waits for the process to end, after its events have been read to the end.
func (p *process) wait() error {
	_ = p.commands.Close()
	return p.cmd.Wait()
}
