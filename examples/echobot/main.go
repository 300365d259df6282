// Echobot answers every message in the rooms of its device with the same text, and marks what it has read.
//
//	parley chat enrol --provider https://chat.a.example --code ABCD-EFGH --dir bot
//	go run ./examples/echobot bot
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"

	"parley/client"
	"parley/content"
	"parley/device"
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: echobot DIRECTORY")
		os.Exit(2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, "echobot:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, dir string) error {
	bot, done, err := device.OpenDir(ctx, dir, device.Config{
		News:     func(n device.News) { echo(ctx, n) },
		Receipts: client.Receipts{Delivered: true, Read: true},
	})
	if err != nil {
		return err
	}
	err = bot.Run(ctx)
	if closed := done(); err == nil {
		err = closed
	}
	return err
}

// echo answers what is new. It may use the client until it returns; what it wants sent is stored then, and sent as soon as it can be.
func echo(ctx context.Context, n device.News) {
	me := n.Client.Account().User.String()
	for room, entries := range n.Entries {
		for _, e := range entries {
			if e.Kind != client.EntryMessage || e.Act != client.ActSay || e.User == me || e.Text == "" {
				continue
			}
			if _, err := n.Client.Reply(ctx, room, content.MessageID(e.MessageID), e.Text); err != nil {
				fmt.Fprintln(os.Stderr, "echobot: cannot answer:", err)
			}
			if err := n.Client.MarkRead(ctx, room, e.Seq+1); err != nil {
				fmt.Fprintln(os.Stderr, "echobot: cannot mark what was read:", err)
			}
		}
	}
}
