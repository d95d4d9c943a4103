"""What the optional model costs, per connection and UTC day."""
