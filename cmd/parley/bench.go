package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"time"

	"github.com/spf13/cobra"

	"parley/bench"
)

// errHarmed means that messages were lost, doubled, reordered or changed.
var errHarmed = errors.New("messages were harmed; the verdict says how")

// benchFlags are the flags of `parley bench`.
type benchFlags struct {
	pairs, outstanding, messages, size, kills int
	seconds, rate, light                      float64
	seed                                      uint64
	dir, profiles, hub                        string
	asJSON                                    *bool
}

func benchCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "bench",
		Short: "Measure two providers that federate on this machine, or kill them",
		Long: `Start two providers as processes of this binary, with SQLite stores and mutual TLS between them, and send messages with real MLS from
users of the one to users of the other. Every message is opened at the receiver and compared with what was sent.

First as fast as it goes (closed loop: --pairs senders with --outstanding messages on their way each), then at --rate messages per
second for the latency. CPU time, memory and octets written are those of the two providers' processes, as the kernel counts them; the
senders and receivers live in this process and are not counted.

With --kills the providers are killed (SIGKILL) and started again that often under load, in an order that --seed chooses, and nothing
is measured.

The exit code is 1 when a message was lost, doubled, reordered or changed.`,
		Example: "  parley bench\n  parley bench --pairs 64 --seconds 30 --rate 0 --json\n  parley bench --kills 50",
		Args:    noArgs,
	}
	var f benchFlags
	flags := c.Flags()
	flags.IntVar(&f.pairs, "pairs", 16, "senders, each with a receiver at the other provider")
	flags.StringVar(&f.hub, "hub", "both", "which provider is the hub of the rooms: the sender's, the receiver's, or both in turn")
	flags.IntVar(&f.outstanding, "outstanding", 64, "messages of a sender that are on their way at once")
	flags.IntVar(&f.messages, "messages", 0, "end the saturated phase after so many messages instead of --seconds")
	flags.Float64Var(&f.seconds, "seconds", 10, "length of the saturated phase; 0 leaves it out")
	flags.IntVar(&f.size, "size", 256, "octets of a message's text")
	flags.Float64Var(&f.rate, "rate", 20, "messages per second at light load; 0 leaves that phase out")
	flags.Float64Var(&f.light, "light", 15, "length of the phase at light load in seconds")
	flags.IntVar(&f.kills, "kills", 0, "kill the providers so often instead of measuring them")
	flags.Uint64Var(&f.seed, "seed", 0, "of the texts and the kills; 0 takes a random one")
	flags.StringVar(&f.dir, "dir", "", "directory in which everything is made and left; default: a temporary one that is removed")
	flags.StringVar(&f.profiles, "profiles", "", "directory for a CPU profile of each provider in the saturated phase")
	f.asJSON = jsonFlag(c)
	c.RunE = func(c *cobra.Command, _ []string) error { return f.run(c) }
	return c
}

func (f *benchFlags) run(c *cobra.Command) (err error) {
	if f.pairs < 1 || f.outstanding < 1 || f.messages < 0 || f.seconds < 0 || f.size < 1 || f.rate < 0 || f.light <= 0 || f.kills < 0 {
		return usageError{errors.New("a number is out of range; `parley bench --help` shows how")}
	}
	setup := bench.Setup{Dir: f.dir, Size: f.size, Window: f.outstanding, Seed: f.seed, Progress: c.ErrOrStderr()}
	if setup.Binary, err = os.Executable(); err != nil {
		return err
	}
	if setup.Dir == "" {
		if setup.Dir, err = os.MkdirTemp("", "parley-bench-"); err != nil {
			return err
		}
		defer func() { err = errors.Join(err, os.RemoveAll(setup.Dir)) }()
	}
	if setup.Seed == 0 {
		setup.Seed = rand.Uint64()
	}
	if f.kills > 0 {
		if !c.Flags().Changed("outstanding") {
			setup.Window = 0
		}
		return f.crash(c, setup)
	}
	return f.measure(c.Context(), c, setup)
}

func (f *benchFlags) measure(ctx context.Context, c *cobra.Command, s bench.Setup) error {
	seconds := func(n float64) time.Duration { return time.Duration(n * float64(time.Second)) }
	hubs := map[string]bench.Hub{"both": bench.HubBoth, "sender": bench.HubSender, "receiver": bench.HubReceiver}
	hub, ok := hubs[f.hub]
	if !ok {
		return usageError{errors.New("--hub is sender, receiver or both")}
	}
	load := bench.Load{Setup: s, Hub: hub, Pairs: f.pairs, Messages: f.messages, Rate: f.rate, Light: seconds(f.light), Profiles: f.profiles}
	if f.messages == 0 {
		load.Duration = seconds(f.seconds)
	}
	report, err := bench.Run(ctx, load)
	if err != nil {
		return err
	}
	return f.tell(c, report, report.Print, report.Verdict)
}

func (f *benchFlags) crash(c *cobra.Command, s bench.Setup) error {
	result, err := bench.Crash(c.Context(), bench.Crashes{Setup: s, Kills: f.kills})
	if err != nil {
		return err
	}
	return f.tell(c, result, func(out io.Writer) error {
		_, err := fmt.Fprintf(out, "seed %d, kills %v, %d visits of guests, %.0f s\n%+v\n", result.Seed, result.Kills, result.Visits, result.Seconds,
			result.Verdict)
		return err
	}, result.Verdict)
}

// tell prints a result and turns a bad verdict into a failure.
func (f *benchFlags) tell(c *cobra.Command, result any, print func(io.Writer) error, v bench.Verdict) error {
	var err error
	if *f.asJSON {
		err = printJSON(c, result)
	} else {
		err = print(c.OutOrStdout())
	}
	if err == nil && !v.Good() {
		err = errHarmed
	}
	return err
}
