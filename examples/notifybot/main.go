// Notifybot sends each line of its standard input to a room, and ends when the room's provider has accepted all of them. Lines that cannot
// be sent yet are kept, and sent when it is started the next time.
//
//	tail -f /var/log/alarms | go run ./examples/notifybot bot mimi://a.example/r/alarms
package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"

	"parley/client"
	"parley/device"
	"parley/uri"
)

func main() {
	if len(os.Args) != 3 {
		fmt.Fprintln(os.Stderr, "usage: notifybot DIRECTORY ROOM")
		os.Exit(2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, os.Args[1], os.Args[2]); err != nil {
		fmt.Fprintln(os.Stderr, "notifybot:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, dir, name string) error {
	room, err := uri.ParseRoom(name)
	if err != nil {
		return err
	}
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	waiting := make(chan int, 1) // how many messages nobody has accepted yet, -1 before the bot is in the room: the latest number
	bot, done, err := device.OpenDir(ctx, dir, device.Config{News: func(n device.News) {
		select {
		case <-waiting:
		default:
		}
		waiting <- unsent(n.Client, room)
	}})
	if err != nil {
		return err
	}
	ended := make(chan error, 1)
	go func() { ended <- bot.Run(ctx); stop() }()
	until := func(good func(n int) bool) error {
		for {
			select {
			case n := <-waiting: // told after each step
				if good(n) {
					return nil
				}
			case <-ctx.Done():
				return ctx.Err()
			}
		}
	}
	err = until(func(n int) bool { return n >= 0 })
	lines := bufio.NewScanner(os.Stdin)
	for err == nil && lines.Scan() {
		err = bot.Do(ctx, func(c *client.Client) error {
			_, err := c.Say(ctx, room, lines.Text())
			return err
		})
	}
	err = errors.Join(err, lines.Err(), bot.Do(ctx, func(*client.Client) error { return nil }))
	if err == nil {
		err = until(func(n int) bool { return n == 0 })
	}
	stop()
	return errors.Join(err, <-ended, done())
}

func unsent(c *client.Client, room uri.Room) (n int) {
	if r, ok := c.Room(room); !ok || !r.Active() {
		return -1
	}
	for _, i := range c.Intents() {
		if i.Fate == client.Waiting {
			n++
		}
	}
	return n
}
