package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net"
	"os"
	"os/signal"

	"google.golang.org/grpc"
)

func main() {
	address := flag.String("listen", "127.0.0.1:50001", "loopback address to listen on")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := serve(ctx, *address); err != nil {
		fmt.Fprintln(os.Stderr, "interop:", err)
		os.Exit(1)
	}
}

// serve listens until ctx ends.
func serve(ctx context.Context, address string) error {
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return err
	}
	if a, ok := listener.Addr().(*net.TCPAddr); !ok || !a.IP.IsLoopback() {
		return errors.Join(fmt.Errorf("%s is no loopback address", address), listener.Close())
	}
	s := newGRPC()
	context.AfterFunc(ctx, s.Stop)
	return s.Serve(listener)
}

// newGRPC is a gRPC server with one Server behind it.
func newGRPC() *grpc.Server {
	s := grpc.NewServer(grpc.ForceServerCodec(codec{}))
	s.RegisterService(description(), NewServer())
	return s
}
