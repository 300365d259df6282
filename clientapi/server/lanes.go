package server

func (c *call) lanes() (any, error) {
	room, err := c.room()
	if err != nil {
		return nil, err
	}
	return found(c.Lanes(c.ctx, c.device, room))
}
